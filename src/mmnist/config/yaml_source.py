"""YAML text → values, each with its line and column.

PyYAML follows YAML 1.1, in which `1e-4` is text, `on` is true, `1:30` is 90, `010` is 8 and the
last of two equal keys wins. Here plain scalars are read by the core schema of YAML 1.2
(https://yaml.org/spec/1.2.2/#103-core-schema) and repeated keys are errors.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import yaml

from mmnist.config.origin import ConfigError, KeyPath, Located, Origin, Problem

#: Aliases can make a short file stand for billions of values; no configuration has that many.
MAX_VALUES = 10_000

_BOOL_TAG = "tag:yaml.org,2002:bool"
_FLOAT_TAG = "tag:yaml.org,2002:float"
_INT_TAG = "tag:yaml.org,2002:int"
_NULL_TAG = "tag:yaml.org,2002:null"
_STR_TAG = "tag:yaml.org,2002:str"

#: Plain scalars of the core schema, in the order in which they are tried.
CORE_SCHEMA: dict[str, re.Pattern[str]] = {
    _NULL_TAG: re.compile(r"(?:~|null|Null|NULL|)\Z"),
    _BOOL_TAG: re.compile(r"(?:true|True|TRUE|false|False|FALSE)\Z"),
    _INT_TAG: re.compile(r"(?:[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+)\Z"),
    _FLOAT_TAG: re.compile(
        r"(?:[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))\Z"
    ),
}


def is_bool(text: str) -> bool:
    """Whether `text`, written without quotes, is true or false."""
    return CORE_SCHEMA[_BOOL_TAG].match(text) is not None


def is_number(text: str) -> bool:
    """Whether `text`, written without quotes, is a number."""
    return any(CORE_SCHEMA[tag].match(text) for tag in (_INT_TAG, _FLOAT_TAG))


@dataclass(frozen=True)
class Document:
    """What a text holds, and the problems that did not prevent reading it."""

    root: Located
    problems: tuple[Problem, ...] = ()


def parse_yaml(text: str, source: str) -> Document:
    """Read one YAML document that holds a mapping.

    Args:
        text: the YAML text.
        source: what to call it in messages: the file's path.

    Raises:
        ConfigError: the text is not YAML, holds no mapping or more than one document.
    """
    converter = _Converter(lambda mark: Origin(source, mark.line + 1, mark.column + 1))
    node = _compose(text, source, converter.origin)
    top = Origin(source)
    if node is None or node.tag == _NULL_TAG:
        raise ConfigError([Problem(top, (), "the file is empty")])
    if not isinstance(node, yaml.MappingNode):
        cause = f"holds {_kind(node)}; a configuration is a mapping, `key: value` on each line"
        raise ConfigError([Problem(converter.origin(node.start_mark), (), cause)])
    root = _guard_depth(lambda: converter.convert(node, top, ()), top)
    return Document(root, tuple(converter.problems))


def parse_value(text: str, origin: Origin) -> Located:
    """Read the YAML value (scalar or flow collection) of a `--set` argument.

    Raises:
        ConfigError: the text is not one YAML value.
    """
    converter = _Converter(lambda mark: origin)
    node = _compose(text, origin.source, converter.origin)
    if node is None:
        return Located(None, origin)
    value = _guard_depth(lambda: converter.convert(node, origin, ()), origin)
    if converter.problems:
        raise ConfigError(converter.problems)
    return value


class _Loader(yaml.SafeLoader):
    """A SafeLoader that resolves plain scalars by the core schema alone."""

    yaml_implicit_resolvers: dict[str | None, list[tuple[str, re.Pattern[str]]]] = {  # noqa: RUF012
        None: list(CORE_SCHEMA.items())
    }


def _compose(text: str, source: str, locate: Callable[[Any], Origin]) -> yaml.Node | None:
    """The node tree of the only document in `text`; None where there is none."""

    def compose() -> yaml.Node | None:
        return yaml.compose(text, Loader=_Loader)

    try:
        return _guard_depth(compose, Origin(source))
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        cause = f"unprintable character {chr(error.character)!r}; YAML files hold text only"
        raise ConfigError([Problem(Origin(source, line), (), cause)]) from None
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        origin = locate(mark) if mark else Origin(source)
        place = f"{origin}:{origin.column}" if origin.line else str(origin)
        cause = f"not valid YAML: {_syntax_cause(error)}"
        problem = Problem(Origin(place), (), cause)
        raise ConfigError([problem]) from None
    except (ValueError, OverflowError):  # of chr()
        cause = "not valid YAML: an escape like \\U00110000 that stands for no character"
        raise ConfigError([Problem(Origin(source), (), cause)]) from None


def _guard_depth(work: Callable[[], Any], origin: Origin) -> Any:
    try:
        return work()
    except RecursionError:
        raise ConfigError([Problem(origin, (), "is nested too deeply to be read")]) from None


#: Parts of PyYAML's messages on common mistakes, and words that a user can act on.
_SYNTAX_CAUSES = {
    "while scanning a quoted scalar": "the closing quote is missing",
    "unknown escape character": "a backslash within double quotes; use single quotes",
    r"'\t' that cannot start": "a tab; indent with spaces",
    "mapping values are not allowed": "a second `: ` on the line, or a line that is indented too "
    "far; quote text that contains `: `",
    "could not find expected ':'": "a line without `:`; write `key: value`",
    "expected <block end>": "the line does not fit the indentation of the lines above",
    "did not find expected <document start>": "text that does not belong to the mapping above",
    "expected a single document": "a second document (`---`); a configuration is one document",
    "expected ',' or '}'": "a `,` or the closing `}` is missing",
    "expected ',' or ']'": "a `,` or the closing `]` is missing",
}


def _syntax_cause(error: yaml.MarkedYAMLError) -> str:
    problem = ": ".join(filter(None, [error.context, error.problem]))
    for words, cause in _SYNTAX_CAUSES.items():
        if words in problem:
            return cause
    return problem


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return "a mapping"
    return "a list" if isinstance(node, yaml.SequenceNode) else "a single value"


class _Converter:
    """Turns the nodes of one document into located values, and collects problems on the way."""

    def __init__(self, origin: Callable[[Any], Origin]) -> None:
        self.origin = origin
        self.problems: list[Problem] = []
        self._count = 0
        self._open: set[int] = set()

    def convert(self, node: yaml.Node, origin: Origin, path: KeyPath) -> Located:
        """The value of `node`, which was given at `origin` under the key `path`."""
        self._count += 1
        if self._count > MAX_VALUES:
            cause = f"stands for more than {MAX_VALUES} values; do without so many aliases"
            raise ConfigError([Problem(Origin(origin.source), (), cause)])
        if isinstance(node, yaml.ScalarNode):
            return Located(self._scalar(node, origin, path), origin)
        if id(node) in self._open:
            cause = "an alias (*) to a mapping or list that it stands in"
            raise ConfigError([Problem(origin, path, cause)])
        self._open.add(id(node))
        value: Any
        if isinstance(node, yaml.MappingNode):
            value = self._mapping(node, path)
        else:
            value = [
                self.convert(item, self.origin(item.start_mark), (*path, str(index)))
                for index, item in enumerate(node.value)
            ]
        if node.tag not in ("tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"):
            self._refuse_tag(node, origin, path)
        self._open.remove(id(node))
        return Located(value, origin)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, Located]:
        entries: dict[str, Located] = {}
        for key_node, value_node in node.value:
            origin = self.origin(key_node.start_mark)
            key = self._key(key_node, origin, path)
            if key is None:
                continue
            if key in entries:
                first = entries[key].origin.line
                where = f"; it stands on line {first} already" if first else ""
                self.problems.append(Problem(origin, (*path, key), f"repeated key{where}"))
                continue
            entries[key] = self.convert(value_node, origin, (*path, key))
        return entries

    def _key(self, node: yaml.Node, origin: Origin, path: KeyPath) -> str | None:
        if not isinstance(node, yaml.ScalarNode):
            cause = f"{_kind(node)} cannot be a key: keys are words"
        elif node.tag != _STR_TAG:
            cause = f"{node.value!r} cannot be a key: keys are words; put quotes around it"
        elif node.value == "<<":
            cause = "merge keys (<<) are not supported; use `extends`, or repeat the keys"
        else:
            return str(node.value)
        self.problems.append(Problem(origin, path, cause))
        return None

    def _scalar(self, node: yaml.ScalarNode, origin: Origin, path: KeyPath) -> Any:
        pattern = CORE_SCHEMA.get(node.tag)
        if node.tag == _STR_TAG:
            return node.value
        if pattern is None or not pattern.match(node.value):
            self._refuse_tag(node, origin, path)
            return None
        try:
            return _construct(node.tag, node.value)
        except ValueError:  # Python refuses integers of more than 4300 digits
            self.problems.append(Problem(origin, path, "a number of too many digits"))
            return None

    def _refuse_tag(self, node: yaml.Node, origin: Origin, path: KeyPath) -> None:
        tag = node.tag.replace("tag:yaml.org,2002:", "!!")
        cause = f"the tag {tag} does not fit here; leave it out"
        self.problems.append(Problem(origin, path, cause))


def _construct(tag: str, text: str) -> int | float | bool | None:
    if tag == _NULL_TAG:
        return None
    if tag == _BOOL_TAG:
        return text.lower() == "true"
    if tag == _INT_TAG:
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
