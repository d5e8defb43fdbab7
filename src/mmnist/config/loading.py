"""Configuration files → experiments, and experiments → YAML text."""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from mmnist.config import layers
from mmnist.config.keys import configuration_keys
from mmnist.config.messages import validated
from mmnist.config.origin import ConfigError, KeyPath, Located, Origin, Problem
from mmnist.config.schema import Experiment
from mmnist.config.yaml_source import CORE_SCHEMA, Document, parse_yaml


@dataclass(frozen=True)
class LoadedExperiment:
    """An experiment, and where each of its values comes from.

    `origins` has all keys whose values are not mappings, as `dump_experiment` writes them. An
    origin is `file:line`, `--set key=value`, the file's path (for a name that was made from it) or
    `default`.
    """

    experiment: Experiment
    origins: dict[KeyPath, str]


def load_experiment(path: Path, overrides: Sequence[str] = ()) -> Experiment:
    """The experiment that a configuration file describes.

    Args:
        path: a YAML file. The files that it extends are read first. `name` is the file's stem
            unless the file itself gives one.
        overrides: `key=value` each, the key dotted (`train.epochs=3`), the value in YAML.

    Raises:
        ConfigError: the configuration is wrong; the message has one line for each problem, with
            file, line, key, cause and what is allowed.
    """
    return load_with_origins(path, overrides).experiment


def load_with_origins(path: Path, overrides: Sequence[str] = ()) -> LoadedExperiment:
    """Like `load_experiment`, with the origin of each value."""
    path = Path(path)
    document = layers.resolve(path, overrides)
    root = _named(document.root, path)
    if root.find(("experiments",)) and not root.find(("model",)):
        cause = f"is a study, not the configuration of one run: mmnist reproduce --file {path}"
        raise ConfigError([Problem(Origin(layers.display(path)), (), cause)])
    document = Document(root, document.problems)
    experiment = validated(Experiment, document, configuration_keys())
    origins = {key: _origin(root, key) for key in _leaves(experiment.model_dump())}
    return LoadedExperiment(experiment, origins)


def configuration_files(paths: Sequence[Path]) -> list[Path]:
    """`paths`, with each folder replaced by the configuration files in it and below it."""
    files: list[Path] = []
    for path in paths:
        if not _is_folder(path):
            files.append(path)
            continue
        inside = [
            file
            for file in path.rglob("*")
            if file.suffix in layers.YAML_SUFFIXES and file.is_file()
        ]
        if not inside:
            cause = "no configuration (*.yaml) in this folder"
            raise ConfigError([Problem(Origin(layers.display(path)), (), cause)])
        files += sorted(inside)
    return files


def _is_folder(path: Path) -> bool:
    with suppress(OSError):  # not allowed to look, or a name that is too long: reading will say so
        return path.is_dir()
    return False


def dump_experiment(experiment: Experiment) -> str:
    """The experiment as YAML text with all keys, which `load_experiment` reads back unchanged."""
    return dump_yaml(experiment.model_dump())


def dump_yaml(values: dict[str, Any], width: int = 1_000_000) -> str:
    """Values as YAML text that `parse_yaml` reads back unchanged; lines fold at `width` characters.

    Text that any version of YAML would read as something else (`1e-3`, `08`, `on`) is quoted.
    """
    return yaml.dump(values, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=width)


def dump_with_origins(loaded: LoadedExperiment) -> str:
    """Like `dump_experiment`, with a comment on each line that says where its value comes from."""
    text = dump_experiment(loaded.experiment)
    root = parse_yaml(text, "").root
    comments = {}
    for key, origin in loaded.origins.items():
        value = root.find(key)
        assert value is not None  # both have the keys of the same experiment
        comments[value.origin.line] = f"# {origin}"
    lines = text.splitlines()
    width = max(map(len, lines)) + 2
    commented = [
        f"{line:{width}}{comments.get(number, '')}".rstrip()
        for number, line in enumerate(lines, start=1)
    ]
    return "\n".join(commented) + "\n"


def _named(root: Located, path: Path) -> Located:
    """`root` with the file's stem as `name`, unless it has one."""
    stem = Located(path.stem, Origin(layers.display(path)))
    assert isinstance(root.value, dict)  # parse_yaml admits nothing else
    return Located({"name": stem, **root.value}, root.origin)


def _leaves(values: dict[str, Any], path: KeyPath = ()) -> Iterator[KeyPath]:
    for key, value in values.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*path, key))
        else:
            yield (*path, key)


def _origin(root: Located, key: KeyPath) -> str:
    found = root.find(key)
    return "default" if found is None else str(found.origin)


class _Dumper(yaml.SafeDumper):
    """A SafeDumper that quotes text which YAML 1.1 or 1.2 would read as something else."""


for _tag, _pattern in CORE_SCHEMA.items():
    _Dumper.add_implicit_resolver(_tag, _pattern, None)


def _represent_text(dumper: yaml.SafeDumper, text: str) -> yaml.ScalarNode:
    # Double quotes keep text with line breaks on one line, which may get a comment.
    return dumper.represent_scalar(
        "tag:yaml.org,2002:str", text, style=None if text.isprintable() else '"'
    )


_Dumper.add_representer(str, _represent_text)
