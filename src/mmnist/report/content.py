"""What a report says about runs, before it takes the form of text, a table or a figure."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

from mmnist.config.difference import PLACES, differing_keys
from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.evaluation.compare import seed_spread
from mmnist.evaluation.metrics import SMALL_CLASS
from mmnist.report.entry import Entry, read_entries
from mmnist.runs import Run

#: Marks the support of a class that is too small to judge.
MARK = "†"
#: Keys that do not change what is tested; images and digits are compared by their fingerprints.
_BESIDE = {"name", "seed", "compute"} | PLACES
SMALL_NOTE = f"too small to judge: fewer than {SMALL_CLASS} validation images"


def marked(images: int, small: bool | None) -> str:
    """Number of images of a class, with a mark if they are too few to judge."""
    return f"{images:,} {MARK}" if small else f"{images:,}"


class SeedMean(NamedTuple):
    """Accuracy of the runs of one name over their seeds."""

    name: str
    seeds: int
    mean: float
    deviation: float
    """Sample standard deviation (n - 1)."""

    def __str__(self) -> str:
        return (
            f"{self.name}: {100 * self.mean:.2f} ± {100 * self.deviation:.2f} % "
            f"(mean ± standard deviation over {self.seeds} seeds)"
        )


@dataclass(frozen=True)
class Report:
    """Runs side by side."""

    entries: list[Entry]

    @cached_property
    def same_images(self) -> bool:
        """Whether all runs were validated on the same images."""
        return len({entry.images for entry in self.entries}) == 1

    @cached_property
    def seed_means(self) -> list[SeedMean]:
        """Mean and deviation of the accuracy for each name whose runs are seeds of one recipe.

        These are several finished runs of the same configuration, each with a different seed,
        judged by the same images.
        """
        means = []
        for name, entries in _by_name(self.entries).items():
            seeds = {entry.run.seed for entry in entries}
            if len(seeds) > 1 and len(seeds) == len(entries) and _comparable(entries):
                spread = seed_spread([entry.metrics.accuracy for entry in entries])
                means.append(SeedMean(name, spread.seeds, spread.mean, spread.deviation))
        return means

    @cached_property
    def warnings(self) -> list[str]:
        """What a reader must know before comparing."""
        warnings = [
            f"{entry.label} is not finished: this is the best of its first {entry.epochs} of "
            f"{entry.run.experiment.epochs} epochs"
            for entry in self.entries
            if not entry.run.finished
        ]
        if not self.same_images:
            warnings.append(
                "these runs were validated on different images, so small differences between them "
                f"mean nothing: {_describe_images(self.entries)}"
            )
        for name, entries in _by_name(self.entries).items():
            if keys := _differing(entries):
                warnings.append(
                    f"the runs of {name} differ in more than the seed: {', '.join(keys)}"
                )
        return warnings + list(self._seen_digits())

    def _seen_digits(self) -> Iterator[str]:
        """Warnings that images may show handwritten digits that training saw as single digits."""
        found: dict[tuple[str, str], list[str]] = {}
        for entry in self.entries:
            if entry.run.experiment.pretraining_epochs:
                told = entry.run.digits
                seen = told.seen_in_test_images or "the test images show none of them"
                found.setdefault((told.digits, seen), []).append(entry.label)
        for (digits, seen), labels in found.items():
            yield (
                f"{', '.join(labels)}: first trained on single digits of {digits}, which the "
                f"validation images may show too; {seen}"
            )


def build_report(runs: Sequence[Run]) -> Report:
    """Read the runs' results.

    Raises InputError if there is no run, or one has no finished epoch or a damaged file.
    """
    if not runs:
        raise InputError("a report needs at least one run, such as quickstart or runs/quickstart")
    return Report(read_entries(runs))


def describe_model(experiment: Experiment) -> str:
    """Network, image size, augmentation and initial weights in one line."""
    size = "" if experiment.model.size is None else f" {experiment.model.size:g}"
    augment = experiment.augment if isinstance(experiment.augment, str) else "of its own"
    return (
        f"{experiment.model.architecture}{size}, {experiment.resize} px, "
        f"augmentation {augment}, pretrained {experiment.model.pretrained}"
    )


def percent(share: float) -> str:
    """0.98 → `98.00 %`."""
    return f"{100 * share:.2f} %"


def percent_interval(interval: tuple[float, float]) -> str:
    """(0.96, 0.99) → `96.00–99.00 %`."""
    low, high = interval
    return f"{100 * low:.2f}–{100 * high:.2f} %"


def _differing(entries: Sequence[Entry]) -> list[str]:
    """The keys in which runs differ and which could change their results."""
    runs = [entry.run for entry in entries]
    keys = differing_keys([run.experiment for run in runs], _BESIDE)
    digits = {run.digits.digits_sha256 for run in runs if run.experiment.pretraining_epochs}
    return keys + ["pretraining.digits"] * (len(digits) > 1)


def _comparable(entries: Sequence[Entry]) -> bool:
    """Whether runs of one name differ in their seeds only."""
    return (
        all(entry.run.finished for entry in entries)
        and len({entry.images for entry in entries}) == 1
        and not _differing(entries)
    )


def _by_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    groups: dict[str, list[Entry]] = {}
    for entry in entries:
        groups.setdefault(entry.run.name, []).append(entry)
    return groups


def _describe_images(entries: Iterable[Entry]) -> str:
    groups: dict[tuple[Any, ...], list[Entry]] = {}
    for entry in entries:
        groups.setdefault((*entry.images, entry.origin), []).append(entry)
    return "; ".join(
        f"{', '.join(entry.label for entry in group)} on {group[0].metrics.n:,} {origin} images "
        f"(data set {fingerprint[:8]}, split {split})"
        for (fingerprint, split, _, origin), group in groups.items()
    )
