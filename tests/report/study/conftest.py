"""Studies with invented runs, written as `mmnist reproduce` writes them."""

import gc
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

import pytest
from fake_runs import environment
from report.study.invented import (
    ACCURACIES,
    COSTS,
    NUMBERS,
    STUDY,
    write_run,
    write_study,
)

from mmnist.records import Environment
from mmnist.report.study.content import StudyContent, build_content
from mmnist.study.costs import Cost, write_costs
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import load_study
from mmnist.study.results import StudyResult, read_results


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels collects garbage in each correction: most of the time of a verdict."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


def make_study(
    root: Path,
    study: Mapping = STUDY,
    *,
    published: Mapping[str, str] | None = NUMBERS,
    accuracies: Mapping[str, float] = ACCURACIES,
    seeds: int = 3,
    costs: Mapping[str, Cost] = COSTS,
    changes: tuple[str, ...] = (),
    about: Environment | None = None,
    unfinished: str | None = None,
    name: str = "pair",
    **options: object,
) -> StudyResult:
    """Write a study with its runs below `root`, beside those that are there, and read them all."""
    study = {**study}
    if published is None:
        study.pop("published", None)
    loaded = load_study(write_study(root / "file", study, published), changes)
    folder = StudyFolder(root / "runs" / name)
    configs = {config.name: config for config in loaded.configs.values()}
    for config_name, accuracy in accuracies.items():
        for seed in range(seeds):
            seeded = configs[config_name].model_copy(update={"seed": seed})
            share = accuracy + 0.004 * (seed - 1)
            write_run(seeded, folder.path, share, test=800, about=about, **options)
    if unfinished is not None:
        write_run(configs[unfinished], folder.path, 0.5, finished=False, about=about)
    if costs:
        write_costs(folder.costs_file, {key: [cost] * 2 for key, cost in costs.items()})
    return read_results(loaded, folder)


def without_predictions(result: StudyResult, name: str) -> StudyResult:
    """The result, read again when the runs of this name have lost their test predictions."""
    for run in result.folder.runs_of(name):
        (run.path / "test_predictions.npz").unlink()
    return read_results(result.loaded, result.folder)


@pytest.fixture
def make_result(tmp_path: Path) -> Callable[..., StudyResult]:
    """Write a study with its runs below tmp_path and read their results."""
    return partial(make_study, tmp_path)


@pytest.fixture(scope="session")
def result(tmp_path_factory: pytest.TempPathFactory) -> StudyResult:
    """Two of three variants with three seeds each, published numbers, costs, generated data; tests
    read it and leave it as it is.
    """
    return make_study(tmp_path_factory.mktemp("study"), about=environment())


@pytest.fixture(scope="session")
def content(result: StudyResult) -> StudyContent:
    """The same with its verdicts."""
    return build_content(result)
