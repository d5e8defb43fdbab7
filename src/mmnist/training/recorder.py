"""The numbers of a run while it trains: sums, validation, the best epoch, files, checkpoints."""

import math
import time
from collections.abc import Callable
from typing import Any, NoReturn

import safetensors.torch
import torch
from fastai.callback.core import Callback, CancelFitException
from torch.nn import functional as F

from mmnist.config.schema import Experiment
from mmnist.errors import RunError
from mmnist.evaluation.metrics import Metrics, compute_metrics
from mmnist.files import write_bytes
from mmnist.runs import Run
from mmnist.training.checkpoint import save_checkpoint
from mmnist.training.memory import peak_memory_mib
from mmnist.training.objective import count_hits
from mmnist.training.progress import Reporter
from mmnist.training.schedule import learning_rate_at
from mmnist.training.state import Best, RunState
from mmnist.training.stopping import StopRequest


class Recorder(Callback):
    """Owns the state of a run, writes its folder, and stops it when it must stop.

    Sums are kept on the device and read once per epoch, so that no step waits for them.
    """

    order = 50

    def __init__(
        self,
        run: Run,
        state: RunState,
        reporter: Reporter,
        stop: StopRequest,
        experiment: Experiment,
    ):
        self.state = state
        self.run_folder = run
        self.reporter = reporter
        self.stop = stop
        self.experiment = experiment
        self.settings = experiment.train

    @property
    def is_over(self) -> bool:
        """Whether all epochs are trained, or early stopping applies."""
        state, patience = self.state, self.settings.early_stopping
        if state.epoch >= self.experiment.epochs:
            return True
        if patience is None or not state.rows:
            return False
        return state.exhausts(patience, first=self.experiment.pretraining_epochs)

    def before_train(self) -> None:
        """Begin an epoch, or continue the one that was interrupted."""
        if self.epoch != self.state.epoch:
            self.state.start_epoch(self.epoch)
        batches = self.dls.train
        batches.epoch, batches.first_step = self.epoch, self.state.step
        self._loss = torch.tensor(self.state.loss_sum, device=batches.device)
        self._correct = torch.tensor(self.state.correct, device=batches.device)
        self._started = time.perf_counter() - self.state.seconds
        self.reporter.epoch_begins(self.epoch, self.state.step, len(batches))

    def after_batch(self) -> None:
        """Add up a training batch; keep the output of a validation batch."""
        labels = self.yb[0]
        if not self.training:
            self._outputs.append(self.pred.float())
            if self.stop.asked:  # unlike a time limit, which lets validation finish
                self._save_and_leave()
            return
        self.state.step += 1
        self.state.seen += len(labels)
        with torch.no_grad():
            self._loss += self.loss_func.label_loss(self.pred, labels) * len(labels)
        self._correct += count_hits(self.pred, labels)
        self.reporter.batch_done(len(labels))
        if self.stop.requested and self._between_steps:
            self._save_and_leave()

    @property
    def _between_steps(self) -> bool:
        done = self.state.step
        return done % self.settings.gradient_accumulation == 0 or done == len(self.dls.train)

    def before_validate(self) -> None:
        """Read the sums of the epoch's training, and check its loss."""
        self._read_sums()
        self._trained = time.perf_counter() - self._started - self.state.validation_seconds
        self._check_loss("training", self.state.loss_sum)
        self._outputs: list[torch.Tensor] = []

    def after_validate(self) -> None:
        """Evaluate the epoch, stage its files if it is the best, and record everything."""
        valid = self.dls.valid
        logits = torch.cat(self._outputs)
        loss = float(F.cross_entropy(logits, valid.labels))
        self._check_loss("validation", loss)
        probabilities = logits.softmax(1).cpu().numpy()
        labels = valid.labels.cpu().numpy()
        metrics = compute_metrics(labels, probabilities.argmax(1))
        self.state.rows.append(self._row(metrics, loss))
        best = self.state.best
        is_best = best is None or best.beaten_by(metrics.accuracy, loss)
        if is_best:
            self.state.best = Best(self.epoch, metrics.accuracy, loss)
            self.state.best_valid = {**metrics.to_dict(), "loss": loss}
            staged = self.run_folder.staged(self.epoch)
            staged.write_predictions("valid", valid.index, labels, probabilities)
            weights = {name: t.contiguous() for name, t in self.model.state_dict().items()}
            content = safetensors.torch.save(weights, metadata={"format": "pt"})
            write_bytes(staged.model_file, content)
        self.run_folder.write_metrics(self.state.rows)
        self.reporter.epoch_done(self.state.rows[-1], is_best)
        self.state.start_epoch(self.epoch + 1)

    def _check_loss(self, kind: str, loss: float) -> None:
        if not math.isfinite(loss):
            digits = self.epoch < self.experiment.pretraining_epochs
            section = "pretraining" if digits else "train"
            raise RunError(
                f"the {kind} loss of epoch {self.epoch + 1} is no longer finite: lower "
                f"{section}.learning_rate, set train.gradient_clip, or try compute.precision fp32"
            )

    def _row(self, metrics: Metrics, valid_loss: float) -> dict[str, Any]:
        state, batches = self.state, len(self.dls.train)
        row: dict[str, Any] = {
            "epoch": self.epoch,
            "train_loss": state.loss_sum / state.seen,
            "train_accuracy": state.correct / state.seen,
            "valid_loss": valid_loss,
            "valid_accuracy": metrics.accuracy,
            "learning_rate": learning_rate_at(self.experiment, self.epoch, 1 - 1 / batches),
            "seconds": round(time.perf_counter() - self._started, 3),
            "images_per_second": round(state.seen / self._trained, 1),
        }
        if self.experiment.pretraining_epochs:
            single = self.epoch < self.experiment.pretraining_epochs
            row["trained_on"] = "digits" if single else "images"
        for name in ("precision", "recall", "f1"):
            row |= {f"{name}_{d}": float(x) for d, x in enumerate(getattr(metrics, name))}
        return row

    def save(self) -> None:
        """Write the checkpoint."""
        self.state.note_memory(peak_memory_mib(self.learn.precision.hardware))
        save_checkpoint(self.run_folder.checkpoint_file, self.learn, self.state)

    def _read_sums(self) -> None:
        self.state.loss_sum = float(self._loss)
        self.state.correct = int(self._correct)

    def _save_and_leave(self) -> NoReturn:
        self._read_sums()
        self.state.seconds = time.perf_counter() - self._started
        if not self.training:
            self.state.validation_seconds = self.state.seconds - self._trained
        self.save()
        self.stop.end(self.epoch, self.state.step, len(self.dls.train))


class SaveEpochs(Callback):
    """After each epoch, saves checkpoint, best files and summary, and ends the run if it must.

    The checkpoint comes first: an epoch that it does not include is trained again, and need not
    become the best again if training is not deterministic.

    Runs after `AverageWeights` has put the trained weights back.
    """

    order = 90

    def __init__(self, recorder: Recorder, summarise: Callable[[], None]):
        self.recorder = recorder
        self.summarise = summarise

    def after_validate(self) -> None:
        """Save, then stop if that was requested or early stopping applies."""
        recorder, state = self.recorder, self.recorder.state
        recorder.save()
        recorder.run_folder.keep_best(state.best_epoch)
        self.summarise()
        if recorder.is_over:
            if state.epoch < self.n_epoch:
                raise CancelFitException
            return
        if recorder.stop.requested:
            recorder.stop.end(state.epoch, 0, len(self.dls.train))
