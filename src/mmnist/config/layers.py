"""A configuration file, the files it extends and the `--set` arguments, merged into one mapping."""

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

from mmnist.config.keys import all_keys
from mmnist.config.messages import described
from mmnist.config.origin import ConfigError, KeyPath, Located, Origin, Problem, dotted
from mmnist.config.yaml_source import Document, parse_value, parse_yaml

#: Larger files are not configurations.
MAX_BYTES = 256 * 1024

YAML_SUFFIXES = (".yaml", ".yml")

_SCHEDULES: tuple[KeyPath, ...] = (("train", "schedule"), ("pretraining", "schedule"))


def resolve(path: Path, overrides: Sequence[str] = ()) -> Document:
    """The files that `path` extends, `path` itself and `overrides`, merged; later ones win.

    Args:
        path: a configuration file.
        overrides: `--set` arguments, `a.b=value`.

    Raises:
        ConfigError: a file or an override cannot be read.
    """
    layers, problems = _read_chain(path)
    root = layers[0]
    for layer in layers[1:]:
        root = merge(root, layer)
    unusable: list[Problem] = []
    for text in overrides:
        try:
            root = _override(root, text)
        except ConfigError as error:
            unusable += error.problems
    return Document(_with_schedules_expanded(root), (*problems, *unusable))


def merge(parent: Located, child: Located, path: KeyPath = ()) -> Located:
    """`child` merged over `parent`: mappings key by key; anything else is replaced.

    A schedule given as a word counts as a mapping with that `name`, so that its other keys can be
    added.
    """
    if not isinstance(child.value, dict):
        return child
    parent = _expanded(parent, path)
    if not isinstance(parent.value, dict):
        return child
    entries = dict(parent.value)
    for key, value in child.value.items():
        entries[key] = merge(entries[key], value, (*path, key)) if key in entries else value
    return Located(entries, child.origin)


def _expanded(value: Located, path: KeyPath) -> Located:
    if path in _SCHEDULES and isinstance(value.value, str):
        return Located({"name": value}, value.origin)
    return value


def _with_schedules_expanded(root: Located) -> Located:
    """`root` with schedules given as a word turned into mappings, so that all values have a key."""
    for path in _SCHEDULES:
        section, key = path
        schedule, around = root.find(path), root.find((section,))
        if schedule is not None and around is not None:
            expanded = Located({key: _expanded(schedule, path)}, around.origin)
            root = merge(root, Located({section: expanded}, root.origin))
    return root


def _read_chain(path: Path) -> tuple[list[Located], list[Problem]]:
    """The mappings of `path` and of all files that it extends, the base file first."""
    layers: list[Located] = []
    problems: list[Problem] = []
    seen: list[Path] = []
    origin = None
    while True:
        document = read_document(path, origin)
        problems += document.problems
        entries = dict(document.root.value)  # type: ignore[arg-type]  # parse_yaml: a mapping
        extends = entries.pop("extends", None)
        if seen:
            # The name is that of a run folder, which two configurations must not share by accident.
            entries.pop("name", None)
        layers.insert(0, Located(entries, document.root.origin))
        if extends is None:
            return layers, problems
        seen.append(path)
        path, origin = _base(extends, path), extends.origin
        if os.path.realpath(path) in map(os.path.realpath, seen):
            circle = " → ".join(map(display, [*seen, path]))
            raise ConfigError([Problem(origin, ("extends",), f"goes in a circle: {circle}")])


def _base(extends: Located, path: Path) -> Path:
    if not isinstance(extends.value, str) or not extends.value or not extends.value.isprintable():
        cause = "wanted the path of one configuration file, relative to this one"
        raise ConfigError([Problem(extends.origin, ("extends",), cause)])
    return path.parent / extends.value


def read_document(path: Path, extended_at: Origin | None = None) -> Document:
    """The document in the file `path`, which the user or the file at `extended_at` asked for.

    Raises:
        ConfigError: the file cannot be read, or holds no mapping.
    """
    try:
        content = _content(path)
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        cause = "is not UTF-8 text; save it as UTF-8 (is it a YAML file at all?)"
        raise ConfigError([Problem(Origin(display(path), line), (), cause)]) from None
    except (OSError, ValueError) as error:
        cause = str(error) if isinstance(error, _UnusableFileError) else _system_cause(error)
        if extended_at is None:
            raise ConfigError([Problem(Origin(display(path)), (), cause)]) from None
        cause = f"{display(path)}: {cause}"
        raise ConfigError([Problem(extended_at, ("extends",), cause)]) from None
    return parse_yaml(text, display(path))


class _UnusableFileError(OSError):
    """Why a path cannot be a configuration file, in plain words."""


def _content(path: Path) -> bytes:
    if path.is_dir():
        raise _UnusableFileError("is a folder; name a configuration file in it")
    if not path.exists():
        raise _UnusableFileError(f"no such file{_suggestion(path)}")
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise _UnusableFileError(f"is larger than {MAX_BYTES // 1024} KiB: not a configuration")
    return content


def _system_cause(error: Exception) -> str:
    return f"cannot be read: {getattr(error, 'strerror', None) or error}"


def _suggestion(path: Path) -> str:
    """`; did you mean …?`: a file of this name in configs/, else one beside `path` with a similar
    name."""
    found = [
        file
        for file in _yaml_files(Path("configs").rglob("*"))
        if path.name in (file.name, file.stem)
    ]
    if not path.parent.is_dir():
        missing = f"; there is no folder {display(path.parent)} either"
        return f"; did you mean {display(found[0])!r}?" if found else missing
    if not found:
        beside = {file.stem: file for file in _yaml_files(path.parent.iterdir())}
        stem = path.stem if path.suffix in YAML_SUFFIXES else path.name
        found = [beside[close] for close in difflib.get_close_matches(stem, beside, n=1)]
    return f"; did you mean {display(found[0])!r}?" if found else ""


def _yaml_files(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.suffix in YAML_SUFFIXES and path.is_file())


def display(path: Path) -> str:
    """The path as messages show it: as the user named it, without detours through `..`."""
    text = os.path.normpath(path)
    return text if text.isprintable() else repr(text)


def _override(root: Located, text: str) -> Located:
    """`root` with one `--set` argument merged over it."""
    origin = Origin(f"--set {text if text.isprintable() else repr(text)}")
    key, equals, value_text = text.partition("=")
    path = tuple(part.strip() for part in key.split("."))
    if not equals or not all(path):
        cause = "wanted key=value, such as train.epochs=10"
        raise ConfigError([Problem(origin, (), cause)])
    _check_reachable(root, path, origin)
    value = parse_value(value_text, origin)
    for part in reversed(path):
        value = Located({part: value}, origin)
    return merge(root, value)


def _check_reachable(root: Located, path: KeyPath, origin: Origin) -> None:
    """Make sure that the key is in a mapping; otherwise merging would drop the value there."""
    current = root
    for depth, key in enumerate(path):
        current = _expanded(current, path[:depth])
        if not isinstance(current.value, dict):
            outer = dotted(path[:depth])
            cause = f"{outer} is {described(current.plain())} ({current.origin}): it has no keys"
            if path in all_keys():
                cause += f"; set {outer} as a whole: --set '{outer}={{{key}: …}}'"
            raise ConfigError([Problem(origin, path, cause)])
        if key not in current.value:
            return
        current = current.value[key]
