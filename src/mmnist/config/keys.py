"""Every key that a configuration can have, with what is allowed there, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

from mmnist.config.json_schema import file_schema
from mmnist.config.origin import KeyPath

_TYPES = {
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "string": "text",
    "null": "null",
}


@dataclass(frozen=True)
class Key:
    """One key: its explanation, what is allowed there in words, and its JSON Schema.

    `choices` are the values that can be given, if the key takes those of a list. `about` says more
    of a section than fits into a table; empty for other keys.
    """

    path: KeyPath
    description: str
    allowed: str
    choices: tuple[str, ...]
    about: str
    schema: dict[str, Any]


@cache
def all_keys() -> dict[KeyPath, Key]:
    """All keys by path, sections before their keys, in the order of the schema."""
    return {key.path: key for key in _walk(file_schema(), ())}


def children(path: KeyPath) -> list[str]:
    """The names of the keys of the section at `path` (empty: the top)."""
    return [key[-1] for key in all_keys() if key[:-1] == path]


def _walk(section: dict[str, Any], path: KeyPath) -> Iterator[Key]:
    for name, schema in section.get("properties", {}).items():
        options = list(_options(schema))
        description = schema.get("description") or options[0].get("description", "")
        choices = tuple(word for option in options for word in option.get("enum", ()))
        allowed = _either([words for option in options for words in _allowed(option)])
        sections = [option for option in options if "properties" in option]
        about = sections[0].get("description", "") if sections else ""
        yield Key((*path, name), description, allowed, choices, about, schema)
        for option in options:
            yield from _walk(_narrowed(option, schema), (*path, name))


def _options(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """The alternatives that a schema allows, references followed."""
    if "$ref" in schema:
        yield file_schema()["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
    elif "enum" in schema:
        yield schema
    elif alternatives := schema.get("anyOf", schema.get("oneOf")):
        for alternative in alternatives:
            yield from _options(alternative)
    else:
        yield schema


def _narrowed(option: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """`option` with the bounds and defaults that `schema` gives to its keys in this place.

    The bounds are those of `mmnist.config.augmentation._transform`.
    """
    default = schema.get("default")
    here = default if isinstance(default, dict) else {}
    if option is schema or not ("properties" in schema or here):
        return option
    properties = {
        name: {**value, **schema.get("properties", {}).get(name, {})}
        | ({"default": here[name]} if name in here else {})
        for name, value in option.get("properties", {}).items()
    }
    return {**option, "properties": properties}


def _allowed(option: dict[str, Any]) -> list[str]:
    """What one alternative of a schema allows, in words."""
    if "enum" in option:
        return ["null" if word is None else str(word) for word in option["enum"]]
    if "properties" in option:
        return [f"a mapping ({', '.join(option['properties'])})"]
    if "pattern" in option:
        letters = "letters, digits, `.`, `_` and `-`, the first one a letter or digit"
        return [f"at most {option['maxLength']} {letters}"]
    if option.get("minLength"):
        return ["text that is not empty"]
    return [" ".join(filter(None, [_TYPES[option["type"]], _bounds(option)]))]


def _bounds(option: dict[str, Any]) -> str:
    if "minimum" in option and "maximum" in option:
        return f"from {option['minimum']} to {option['maximum']}"
    words = {
        "minimum": "of at least",
        "exclusiveMinimum": "above",
        "maximum": "at most",
        "exclusiveMaximum": "below",
    }
    return " and ".join(f"{text} {option[key]}" for key, text in words.items() if key in option)


def _either(items: list[str]) -> str:
    return " or ".join([", ".join(items[:-1]), items[-1]] if len(items) > 1 else items)
