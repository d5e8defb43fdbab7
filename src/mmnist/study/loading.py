"""Study files → studies with the configuration of every variant, and back."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mmnist.config.difference import PLACES, differing_keys
from mmnist.config.layers import read_document
from mmnist.config.loading import dump_experiment, dump_yaml, load_experiment
from mmnist.config.messages import validated
from mmnist.config.origin import ConfigError, Located, Origin, Problem
from mmnist.config.schema import Experiment
from mmnist.files import write_text
from mmnist.study.costs import drop_costs
from mmnist.study.json_schema import study_keys
from mmnist.study.schema import Claim, Place, Study

if TYPE_CHECKING:
    from mmnist.study.folder import StudyFolder
    from mmnist.study.published import Published


#: Names that no configuration may have: other contents of a study's folder and of `study/` in it
#: have them, or (`config.yaml`) they would make `study/` look like a run.
_OWN_NAMES = ("study", "report", "experiments", "config")


@dataclass(frozen=True)
class LoadedStudy:
    """A study, the configuration of each variant, and what was published about them."""

    study: Study
    configs: dict[Place, Experiment]
    """By experiment and variant, in the order of the file. Variants with the same content share the
    configuration of the first of them, including its name: they are one run."""
    published: "Published"


def is_study(path: Path) -> bool:
    """Whether a YAML file is a study, and not the configuration of one experiment.

    Raises:
        ConfigError: it cannot be read.
    """
    return read_document(path).root.find(("experiments",)) is not None


def load_study(path: Path, changes: Sequence[str] = ()) -> LoadedStudy:
    """Read a study file and everything that it refers to.

    Args:
        path: the study file.
        changes: `key=value` each, applied to every configuration, after the study's own changes.

    Raises:
        ConfigError: the file, a configuration or a published number is wrong; the message has one
            line for each problem, with file, line, key, cause and what is allowed.
    """
    document = read_document(path)
    root = document.root
    if not root.find(("experiments",)) and (root.find(("model",)) or root.find(("extends",))):
        cause = f"is the configuration of one experiment, not a study: mmnist train {path}"
        raise ConfigError([Problem(root.origin, (), cause)])
    study = validated(Study, document, study_keys())
    if any(change.partition("=")[0].strip() == "name" for change in [*study.changes, *changes]):
        cause = (
            "every configuration has a `name` of its own, which names its run: leave it as it is"
        )
        raise ConfigError([Problem(Origin("--set name"), (), cause)])
    # Each change once, at its last position: the later one wins.
    latest = dict.fromkeys(reversed([*study.changes, *changes]))
    study = study.model_copy(update={"changes": [*latest][::-1]})
    configs, problems = _load_configs(study, root, path)
    try:
        published = _load_published(study, root, path)
    except ConfigError as error:
        problems += error.problems
    if problems:
        raise ConfigError(dict.fromkeys(problems))
    return LoadedStudy(study, configs, published)


def save_study(loaded: LoadedStudy, folder: "StudyFolder") -> None:
    """Write the study with everything that it needs into its folder.

    Its file there is then a study file that gives the same runs wherever the folder lies. Costs
    of configurations that have changed since they were measured are removed.

    Raises:
        InputError: measured costs or a configuration that is there already are damaged.
        RunError: a file cannot be written.
    """
    drop_costs(folder.costs_file, _changed(loaded, folder.saved))
    values = loaded.study.model_dump(mode="json", exclude_defaults=True)
    for (experiment, variant), config in loaded.configs.items():
        values["experiments"][experiment]["variants"][variant]["config"] = f"{config.name}.yaml"
        write_text(folder.saved / f"{config.name}.yaml", dump_experiment(config))
    if loaded.study.published is not None:
        values["published"] = folder.published.name
        loaded.published.write(folder.published)
    write_text(folder.file, dump_yaml(values, width=100))


def _changed(loaded: LoadedStudy, saved_in: Path) -> list[str]:
    """Names of the configurations whose saved copies differ in more than the seed."""
    changed = []
    for config in loaded.configs.values():
        saved = saved_in / f"{config.name}.yaml"
        if saved.is_file() and differing_keys([load_experiment(saved), config], {"seed"} | PLACES):
            changed.append(config.name)
    return changed


def _load_configs(
    study: Study, root: Located, path: Path
) -> tuple[dict[Place, Experiment], list[Problem]]:
    """The configurations that can be read, and what is wrong with the others and with claims."""
    configs: dict[Place, Experiment] = {}
    problems: list[Problem] = []
    for experiment, variant in study.places:
        file = path.parent / study.experiments[experiment].variants[variant].config
        key = ("experiments", experiment, "variants", variant)
        origin = root.nearest((*key, "config")).origin
        if not file.exists():  # reported for the variant, since its name may be wrong
            cause = f"has no configuration: there is no file {file}"
            problems.append(Problem(origin, key, cause))
            continue
        try:
            config = load_experiment(file, study.changes)
        except ConfigError as error:
            problems += error.problems
            continue
        if config.name in _OWN_NAMES:
            cause = f"{file} is named {config.name}, as files of the study itself: set `name` in it"
            problems.append(Problem(origin, key, cause))
        config, clash = _shared(config, configs.values())
        if clash:
            cause = f"{file} has the same name as another configuration with other content"
            problems.append(Problem(origin, key, f"{cause} ({config.name}): set `name` in one"))
        configs[experiment, variant] = config
    return configs, problems + _impossible_claims(study, root, configs)


def _load_published(study: Study, root: Located, path: Path) -> "Published":
    from mmnist.study.published import Published, read_published

    if study.published is None:
        return Published({}, {}, {})
    folder = path.parent / study.published
    if not folder.is_dir():
        origin = root.nearest(("published",)).origin
        raise ConfigError([Problem(origin, ("published",), f"there is no folder {folder}")])
    return read_published(folder, study.places)


def _shared(config: Experiment, earlier: Any) -> tuple[Experiment, bool]:
    """First earlier configuration with the same content, else `config`; and whether names clash.

    Names clash if an earlier configuration with other content has the same one.
    """
    for other in earlier:
        if not differing_keys([other, config], {"name"}):
            return other, False
    return config, any(other.name == config.name for other in earlier)


def _impossible_claims(
    study: Study, root: Located, configs: dict[Place, Experiment]
) -> list[Problem]:
    """Claims that no run of these configurations could decide."""
    problems = []
    for name, comparison in study.experiments.items():
        for index, claim in enumerate(comparison.claims):
            found = {v: configs[name, v] for v in claim.names if (name, v) in configs}
            cause = (
                _unequal_images(claim, found, comparison.judged_on)
                or _no_images(claim, found)
                or _same_run(claim, found, study.changes)
            )
            if cause:
                key = ("experiments", name, "claims", str(index))
                problems.append(Problem(root.nearest(key).origin, key, cause))
    return problems


def _unequal_images(claim: Claim, found: dict[str, Experiment], judged_on: str) -> str:
    """Why variants cannot be compared, being judged on different images; empty if they can."""
    on_loss = claim.kind == "overfits_less"  # which is that of validation images
    images = {_images(config, "validation" if on_loss else judged_on) for config in found.values()}
    if claim.kind in ("accuracy", "cost") or len(images) < 2:
        return ""
    return (
        f"compares variants that are judged on different images ({'; '.join(sorted(images))}); "
        "give their configurations the same data.split"
        + (" or set judged_on: test" if judged_on == "validation" and not on_loss else "")
    )


def _no_images(claim: Claim, found: dict[str, Experiment]) -> str:
    """Why there is no cost of a training image; empty if there is, or if it does not matter."""
    without = [variant for variant, config in found.items() if not config.train.epochs]
    if claim.kind != "cost" or not without:
        return ""
    return (
        "is about the cost of a training image, but there are none (train.epochs is 0, single "
        f"digits only) for {', '.join(without)}"
    )


def _same_run(claim: Claim, found: dict[str, Experiment], changes: Sequence[str]) -> str:
    """Which variants would be compared with themselves; empty if none, or if changes may be why.

    A change of all configurations may take away what one of many claims is about; the verdict on
    that claim then says so.
    """
    groups = claim.same_runs({variant: config.name for variant, config in found.items()})
    if changes or not groups:
        return ""
    same = "; ".join(" and ".join(group) for group in groups)
    return f"compares configurations with the same content, which are one run: {same}"


def _images(config: Experiment, judged_on: str) -> str:
    data = config.data
    if judged_on == "test":
        return f"the test images of {data.path}"
    return f"{data.path} split {data.split.words}"
