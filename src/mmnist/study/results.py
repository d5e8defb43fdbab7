"""Results of the runs of a study: for each variant, which images each seed got right."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from mmnist.config.schema import Experiment
from mmnist.errors import InputError
from mmnist.evaluation.compare import SeedSpread, seed_spread
from mmnist.evaluation.metrics import Metrics, compute_metrics
from mmnist.runs import Run
from mmnist.study.costs import Cost, read_costs, typical_cost
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import LoadedStudy, load_study
from mmnist.study.plan import refuse_changed_config, refuse_mixed_data, refuse_mixed_digits
from mmnist.study.published import Counts
from mmnist.study.schema import Comparison

#: Why a finished run is not judged.
UNJUDGED = "trained; its test images are not predicted, or have no labels"


def rise_of_loss(curves: pd.DataFrame) -> float:
    """Rise of the validation loss from its lowest to the last epoch."""
    loss = curves["valid_loss"]
    return float(loss.iloc[-1] - loss.min())


@dataclass(frozen=True)
class VariantResult:
    """One variant with its finished runs, one per seed."""

    name: str
    label: str
    config: Experiment
    runs: tuple[Run, ...]
    """Those that are judged."""
    index: NDArray[np.int64]
    """int64 [N]: the images that all runs were judged on; empty without runs."""
    labels: NDArray[np.int64]
    """int64 [N]: their labels."""
    predictions: NDArray[np.int64]
    """int64 [S, N]: predictions of each seed."""
    published: Counts | None
    published_per_class: pd.DataFrame | None
    """Rows by digit; columns precision, recall, f1."""
    published_curves: pd.DataFrame | None
    """One row per epoch (from 0): train_accuracy, train_loss, valid_accuracy, valid_loss."""
    costs: tuple[Cost, ...]
    """The measurements, in the order of the rounds; empty if there are none."""
    unjudged: tuple[Run, ...] = ()
    """Those that are not, for want of predictions of labelled test images."""

    @property
    def cost(self) -> Cost | None:
        """What the variant typically costs; None if it was not measured."""
        return typical_cost(self.costs) if self.costs else None

    @property
    def right(self) -> NDArray[np.bool_]:
        """bool [S, N]: which images each seed got right."""
        return self.predictions == self.labels

    @cached_property
    def metrics(self) -> list[Metrics]:
        """Per-class numbers of each seed."""
        return [compute_metrics(self.labels, each) for each in self.predictions]

    @cached_property
    def spread(self) -> SeedSpread | None:
        """Mean accuracy over the seeds; None without a run."""
        return seed_spread([each.accuracy for each in self.metrics]) if self.runs else None

    @cached_property
    def overfitting(self) -> list[float]:
        """For each seed, the rise of the validation loss from its lowest to the last epoch."""
        return [rise_of_loss(run.metrics) for run in self.runs]


@dataclass(frozen=True)
class ComparisonResult:
    """One experiment: its variants with their results."""

    name: str
    comparison: Comparison
    variants: Mapping[str, VariantResult]

    @property
    def ran(self) -> list[VariantResult]:
        """The variants that have a run that is judged."""
        return [variant for variant in self.variants.values() if variant.runs]


@dataclass(frozen=True)
class StudyResult:
    """A study with the results of its runs."""

    loaded: LoadedStudy
    folder: StudyFolder
    comparisons: tuple[ComparisonResult, ...]

    @property
    def variants(self) -> list[VariantResult]:
        """The variants of all experiments."""
        return [variant for each in self.comparisons for variant in each.variants.values()]

    @cached_property
    def runs(self) -> list[Run]:
        """All finished runs, judged or not, each once."""
        runs = [run for each in self.variants for run in (*each.runs, *each.unjudged)]
        return list({run.path: run for run in runs}.values())


def read_study(folder: StudyFolder) -> StudyResult:
    """Read the study that is saved in a folder, and its finished runs.

    Raises:
        ConfigError: the saved study is damaged.
        InputError: see `read_results`.
    """
    return read_results(load_study(folder.file), folder)


def read_results(loaded: LoadedStudy, folder: StudyFolder) -> StudyResult:
    """Read the finished runs in a study's folder.

    Raises:
        InputError: a run or costs.json is damaged, a configuration was changed since it was run, or
            runs of one experiment saw different data or were judged on different images.
    """
    costs = read_costs(folder.costs_file)
    cache: dict[tuple[str, str], _Finished] = {}
    comparisons = []
    for name, comparison in loaded.study.experiments.items():
        variants = {}
        for variant in comparison.variants:
            config = loaded.configs[name, variant]
            key = (config.name, comparison.judged_on)
            if key not in cache:
                cache[key] = _finished(folder.runs_of(config.name), comparison.judged_on)
            variants[variant] = _variant(loaded, name, variant, cache[key], costs)
        _check_same_images(name, list(variants.values()))
        comparisons.append(ComparisonResult(name, comparison, variants))
    return StudyResult(loaded, folder, tuple(comparisons))


class _Finished(NamedTuple):
    judged: tuple[Run, ...]
    unjudged: tuple[Run, ...]


def _finished(runs: Sequence[Run], judged_on: str) -> _Finished:
    finished = [run for run in runs if run.finished]
    on_validation = judged_on == "validation"
    judged = [run for run in finished if on_validation or run.has_predictions("test")]
    return _Finished(tuple(judged), tuple(run for run in finished if run not in judged))


def _variant(
    loaded: LoadedStudy,
    experiment: str,
    name: str,
    finished: _Finished,
    costs: Mapping[str, Sequence[Cost]],
) -> VariantResult:
    comparison, config = loaded.study.experiments[experiment], loaded.configs[experiment, name]
    runs, unjudged = finished
    for run in (*runs, *unjudged):
        refuse_changed_config(run, config)
        _ = run.metrics  # refused here if damaged, not in the middle of a page
    part = "valid" if comparison.judged_on == "validation" else "test"
    each = [_predictions(run, part) for run in runs]
    _check_seeds(experiment, runs, [index for index, _, _ in each])
    none = np.zeros(0, dtype=np.int64)
    other, _, place_name = (comparison.variants[name].published or "").partition("/")
    place = (other, place_name) if other else (experiment, name)
    return VariantResult(
        name,
        comparison.variants[name].label or name,
        config,
        runs,
        index=each[0][0] if each else none,
        labels=each[0][1] if each else none,
        predictions=np.stack([p.argmax(axis=1) for _, _, p in each]) if each else none[None][:0],
        published=loaded.published.counts.get(place),
        published_per_class=loaded.published.per_class.get(place),
        published_curves=loaded.published.curves.get(place),
        costs=tuple(costs.get(config.name, ())),
        unjudged=unjudged,
    )


def _predictions(run: Run, part: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """What `Run.predictions` returns; those of `valid` must be as many as the run says."""
    arrays, images = run.predictions(part), run.summary.valid.n
    if part == "valid" and len(arrays[0]) != images:
        raise InputError(
            f"{run.path} is damaged: it was validated on {images:,} images, but has predictions "
            f"of {len(arrays[0]):,}"
        )
    return arrays


def _check_seeds(experiment: str, runs: tuple[Run, ...], indices: list[NDArray[np.int64]]) -> None:
    if runs:
        refuse_mixed_data(experiment, _fingerprints(runs))
    for run, index in zip(runs, indices, strict=True):
        if not np.array_equal(index, indices[0]):
            raise InputError(
                f"experiment {experiment}: {runs[0].path} and {run.path} were judged on different "
                "images; train one of them again with the split of the other"
            )


def _check_same_images(experiment: str, variants: list[VariantResult]) -> None:
    refuse_mixed_digits(experiment, [run for variant in variants for run in variant.runs])
    firsts = [variant.runs[0] for variant in variants if variant.runs]
    if firsts:
        refuse_mixed_data(experiment, _fingerprints(firsts))


def _fingerprints(runs: Iterable[Run]) -> dict[str, str]:
    return {str(run.path): run.environment.data.fingerprint for run in runs}
