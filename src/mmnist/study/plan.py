"""What a study trains: its runs, each once, and how far each of them is."""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from mmnist.config.difference import PLACES, differing_keys
from mmnist.config.schema import Experiment, with_seed
from mmnist.data.splits import split_indices
from mmnist.data.store import open_store
from mmnist.errors import InputError
from mmnist.runs import Run, run_of
from mmnist.study.costs import Cost
from mmnist.study.folder import StudyFolder
from mmnist.study.loading import LoadedStudy
from mmnist.study.schema import CostClaim, Place
from mmnist.task import IMAGE_SHAPE

#: How often a configuration is measured if a claim is about its costs.
COST_ROUNDS = 5


@dataclass(frozen=True)
class PlannedRun:
    """One run of a study, and the variants that it belongs to."""

    config: Experiment
    run: Run
    places: tuple[Place, ...]

    @property
    def state(self) -> str:
        """`finished`, `unfinished` or `new`."""
        if not self.run.exists:
            return "new"
        return "finished" if self.run.finished else "unfinished"

    @property
    def epochs_left(self) -> int:
        """Epochs still to be trained; without its checkpoint, a run starts again."""
        if self.state == "finished":
            return 0
        goes_on = self.run.checkpoint_file.is_file() and self.run.metrics_file.is_file()
        return self.config.epochs - (len(self.run.metrics) if goes_on else 0)


def seconds_left(planned: PlannedRun, cost: Cost, images: tuple[int, int]) -> float:
    """Estimated seconds that a run still takes, excluding its start and the writing of its files.

    Args:
        planned: the run.
        cost: what its configuration costs, measured on whole images.
        images: numbers of training and validation images.
    """
    config = planned.config
    train, valid = images
    done = config.epochs - planned.epochs_left
    digits = range(min(done, config.pretraining_epochs), config.pretraining_epochs)
    # Single digits cost as much as whole images with as many pixels.
    whole = [round(config.pretraining.pixels_in(n) / math.prod(IMAGE_SHAPE)) for n in digits]
    whole += [train] * (planned.epochs_left - len(digits))
    return sum(cost.seconds(1, each, valid) for each in whole)


def images_of(config: Experiment) -> tuple[int, int]:
    """Numbers of training and validation images.

    Raises:
        InputError: the data set cannot be read, or cannot be split as configured.
    """
    train, valid = split_indices(open_store(config.data.path).labels("train"), config.data.split)
    return len(train), len(valid)


def plan_runs(
    loaded: LoadedStudy, folder: StudyFolder, *, seeds: int = 1, only: Iterable[str] = ()
) -> list[PlannedRun]:
    """The runs of a study in the order of the file, all of one seed before those of the next.

    Args:
        loaded: the study.
        folder: the study's folder.
        seeds: number of seeds of each configuration: its own and those that follow.
        only: names of experiments; none: all.

    Raises:
        InputError: there is no experiment of that name, or a seed would be too large.
    """
    wanted = list(only) or list(loaded.study.experiments)
    for name in wanted:
        if name not in loaded.study.experiments:
            known = ", ".join(loaded.study.experiments)
            raise InputError(f"--only {name}: there is no such experiment; there are: {known}")
    places: dict[str, list[Place]] = {}
    configs: dict[str, Experiment] = {}
    for place, config in loaded.configs.items():
        places.setdefault(config.name, []).append(place)
        if place[0] in wanted:
            configs[config.name] = config
    planned = []
    for offset in range(seeds):
        for name, config in configs.items():
            seeded = with_seed(config, config.seed + offset)
            planned.append(PlannedRun(seeded, run_of(seeded, folder.path), tuple(places[name])))
    return planned


def rounds_of(loaded: LoadedStudy, planned: Iterable[PlannedRun]) -> dict[str, int]:
    """How often the costs of each planned configuration are measured, by its name.

    `COST_ROUNDS` times if a claim is about them, otherwise once.
    """
    claimed = set().union(*cost_pairs(loaded))
    return {each.config.name: COST_ROUNDS if each.config.name in claimed else 1 for each in planned}


def cost_pairs(loaded: LoadedStudy) -> list[set[str]]:
    """Names of the configurations that each claim about costs compares."""
    return [
        {loaded.configs[experiment, variant].name for variant in claim.names}
        for experiment, comparison in loaded.study.experiments.items()
        for claim in comparison.claims
        if isinstance(claim, CostClaim)
    ]


def check_data(planned: Sequence[PlannedRun]) -> None:
    """Make sure that all variants of an experiment see the same data, now and in their runs.

    Raises:
        InputError: a data set cannot be read; or two variants or runs of one experiment have
            different data sets, which would compare data instead of variants.
    """
    paths = dict.fromkeys(each.config.data.path for each in planned)
    now = {path: open_store(path).fingerprint for path in paths}
    seen: dict[str, dict[str, str]] = {}
    for each in planned:
        path = each.config.data.path
        found = {f"the data set in {path}": now[path]}
        if each.run.exists:
            found[str(each.run.path)] = each.run.environment.data.fingerprint
        for experiment, _ in each.places:
            seen.setdefault(experiment, {}).update(found)
    for experiment, fingerprints in seen.items():
        refuse_mixed_data(experiment, fingerprints)
        runs = [each.run for each in planned if experiment in {name for name, _ in each.places}]
        refuse_mixed_digits(experiment, [run for run in runs if run.exists])


def check_saved(loaded: LoadedStudy, folder: StudyFolder) -> None:
    """Make sure that `folder`, if it holds a study with runs, holds this one.

    Experiments may be added, and words may change; a configuration that has runs may not.

    Raises:
        InputError: a configuration was changed since it was run, a run has lost its configuration
            file, or the folder belongs to another study.
    """
    configs = {config.name: config for config in loaded.configs.values()}
    for path in sorted(folder.path.glob("*/seed-*/summary.json")):
        run = Run(path.parent)
        if not run.exists:
            raise InputError(
                f"{run.path} holds a run without its {run.config_file.name}: bring the file back, "
                "or delete the folder to run it again"
            )
    for name in sorted(inside.name for inside in folder.path.glob("*")):
        for run in folder.runs_of(name):
            if name not in configs:
                raise InputError(
                    f"{folder.path} holds runs of {name}, which this study does not have; give "
                    "the study another `name`, or move the folder away"
                )
            refuse_changed_config(run, configs[name])


def refuse_changed_config(run: Run, config: Experiment) -> None:
    """Raise InputError unless the run has this configuration.

    `seed`, `compute` and the places of data and digits may differ.
    """
    changed = differing_keys([run.experiment, config], {"seed", "compute"} | PLACES)
    if changed:
        raise InputError(
            f"{run.path} was made with another configuration of {config.name}; different: "
            f"{', '.join(changed)}. Runs of different configurations are not seeds of one: move "
            "the old run away, or give the changed configuration another name"
        )


def refuse_mixed_digits(experiment: str, runs: Iterable[Run]) -> None:
    """Raise InputError if runs began with different handwritten digits that should be the same.

    These are the digits of one configuration, wherever they are, and those of one source.
    """
    first: dict[tuple[str, str], Run] = {}
    for run in runs:
        if not run.experiment.pretraining_epochs:
            continue
        source = run.experiment.pretraining.digits
        for shared in (("name", run.name), ("source", source)):
            other = first.setdefault(shared, run)
            told = [each.digits.digits_sha256 for each in (other, run)]
            if told[0] != told[1]:
                sources = dict.fromkeys([other.experiment.pretraining.digits, source])
                raise InputError(
                    f"experiment {experiment}: {other.path} and {run.path} began with different "
                    f"handwritten digits, of {' and '.join(sources)} ({told[0][:12]}, "
                    f"{told[1][:12]}); bring the first ones back, and train the other run again"
                )


def refuse_mixed_data(experiment: str, fingerprints: Mapping[str, str]) -> None:
    """Raise InputError unless all fingerprints, keyed by what they belong to, are the same."""
    (first, expected), *others = fingerprints.items()
    for name, fingerprint in others:
        if fingerprint != expected:
            raise InputError(
                f"experiment {experiment}: {first} has the fingerprint {expected[:12]}, and "
                f"{name} has {fingerprint[:12]}: these are different images, so comparing would "
                "say nothing about the variants. Bring the data set back that the runs were "
                "trained on, or move the old runs away and train them again"
            )
