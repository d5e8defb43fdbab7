"""Where a value of a configuration was given, and what is wrong with it."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from mmnist.errors import InputError

#: A key from the top down, items of lists by index: ("train", "schedule", "name"), ("notes", "0").
KeyPath = tuple[str, ...]


@dataclass(frozen=True)
class Origin:
    """Where something was given: a file (as the user named it) or a `--set` argument.

    `line` and `column` count from 1; 0 means that the place in the source is unknown.
    """

    source: str
    line: int = 0
    column: int = 0

    def __str__(self) -> str:
        return f"{self.source}:{self.line}" if self.line else self.source


@dataclass(frozen=True)
class Located:
    """A value of a configuration, and where it was given (in a mapping: where its key is)."""

    value: "dict[str, Located] | list[Located] | str | int | float | bool | None"
    origin: Origin

    def plain(self) -> Any:
        """The value alone: plain mappings, lists and scalars."""
        if isinstance(self.value, dict):
            return {key: item.plain() for key, item in self.value.items()}
        if isinstance(self.value, list):
            return [item.plain() for item in self.value]
        return self.value

    def find(self, path: KeyPath) -> "Located | None":
        """The value at `path` below this one; None where there is none."""
        found, depth = self._follow(path)
        return found if depth == len(path) else None

    def nearest(self, path: KeyPath) -> "Located":
        """The value at `path`, or else the innermost value around it."""
        return self._follow(path)[0]

    def _follow(self, path: KeyPath) -> "tuple[Located, int]":
        """The innermost value on the way to `path`, and how many keys lead there."""
        current = self
        for depth, key in enumerate(path):
            value = current.value
            if isinstance(value, dict) and key in value:
                current = value[key]
            elif isinstance(value, list) and key.isdecimal() and int(key) < len(value):
                current = value[int(key)]
            else:
                return current, depth
        return current, len(path)


@dataclass(frozen=True)
class Problem:
    """One thing wrong with a configuration: where, which key (empty: no key in particular), why."""

    origin: Origin
    path: KeyPath
    cause: str

    def __str__(self) -> str:
        parts = [str(self.origin), dotted(self.path), self.cause]
        return ": ".join(part for part in parts if part)


class ConfigError(InputError):
    """A configuration that cannot be used; the message has one line for each of its problems."""

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=_place))
        super().__init__("\n".join(map(str, self.problems)))


def _place(problem: Problem) -> tuple[str, int, int]:
    """Sort key: by file and line; problems without a line come first, in the order given."""
    origin = problem.origin
    return (origin.source, origin.line, origin.column) if origin.line else ("", 0, 0)


def dotted(path: KeyPath) -> str:
    """`train.schedule.name`; keys with unprintable characters are quoted."""
    return ".".join(key if key.isprintable() else repr(key) for key in path)
