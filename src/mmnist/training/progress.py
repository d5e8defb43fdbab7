"""The progress of a training: a live line in a terminal, plain lines in a log."""

import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

from mmnist.errors import RunError
from mmnist.terminal import clock, console, live_console

#: Without a terminal, seconds between two lines of progress within an epoch.
_QUIET_SECONDS = 60.0


class Reporter:
    """Reports the progress of one run in the terminal and in its train.log.

    Each finished epoch adds one plain line. Within an epoch, a terminal shows a live bar with rate
    and time left; without a terminal, there is a line per minute.
    """

    def __init__(self, log: Path, *, work: Sequence[float]):
        """`work`: amount of computation of each epoch of the run, in any unit."""
        self._log = log
        self._work = work
        self._epochs = len(work)
        self._batches = 0
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[rate]}"),
            console=live_console(),
            transient=True,
            disable=not live_console().is_terminal,
            redirect_stdout=False,  # else `mmnist train … | tee log` loses its lines
        )
        self._done = 0.0
        self._seconds = 0.0

    def __enter__(self) -> "Reporter":
        self._bar.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def line(self, text: str) -> None:
        """Print a line that stays, and add it to the log.

        Raises RunError if the log cannot be written.
        """
        console.print(text, markup=False, soft_wrap=True)
        try:
            with self._log.open("a", encoding="utf-8") as log:
                log.write(text + "\n")
        except OSError as error:
            raise RunError(f"cannot write {self._log}: {error.strerror}") from error

    def epoch_begins(self, epoch: int, step: int, batches: int) -> None:
        """Start counting the `batches` of an epoch, from `step` on."""
        self._epoch, self._first, self._step, self._seen = epoch, step, step, 0
        self._batches = batches
        self._started = self._said = time.perf_counter()
        for task in self._bar.task_ids:
            self._bar.remove_task(task)
        description = f"epoch {epoch + 1:>2}/{self._epochs}"
        self._task = self._bar.add_task(
            description, total=self._batches, completed=step, rate="starting"
        )

    def batch_done(self, images: int) -> None:
        """Count a training batch of this many images."""
        self._step += 1
        self._seen += images
        elapsed = time.perf_counter() - self._started
        rate = self._seen / elapsed
        left = self._left(elapsed)
        self._bar.update(
            self._task, completed=self._step, rate=f"{rate:,.0f} img/s, {clock(left)} left"
        )
        if self._bar.disable and time.perf_counter() - self._said > _QUIET_SECONDS:
            self._said = time.perf_counter()
            self.line(
                f"epoch {self._epoch + 1:>2}/{self._epochs}  batch {self._step}/{self._batches}  "
                f"{rate:,.0f} img/s  {clock(left)} left"
            )

    def epoch_done(self, row: dict[str, Any], is_best: bool) -> None:
        """Report the result of an epoch; `row` is its row of metrics.csv."""
        self._seconds += row["seconds"]  # of the whole epoch, even if it was resumed
        self._done += self._work[self._epoch]
        left = self._seconds / self._done * sum(self._work[self._epoch + 1 :])
        trained_on = f"{row['trained_on']:<6}  " if "trained_on" in row else ""
        self.line(
            f"epoch {self._epoch + 1:>2}/{self._epochs}  {trained_on}"
            f"train loss {row['train_loss']:.4f} acc {row['train_accuracy']:6.2%}  "
            f"valid loss {row['valid_loss']:.4f} acc {row['valid_accuracy']:6.2%}  "
            f"{row['images_per_second']:,.0f} img/s  {clock(left)} left"
            + ("  best" if is_best else "")
        )

    def _left(self, elapsed: float) -> float:
        """Seconds until the last epoch ends, estimated from this epoch's training batches."""
        work = self._work[self._epoch]
        done = work * (self._step - self._first) / self._batches
        here = work * (self._batches - self._step) / self._batches
        return elapsed / done * (here + sum(self._work[self._epoch + 1 :]))
