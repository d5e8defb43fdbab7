"""Every key that a kind of file can have, with what is allowed there, in words."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
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

    `choices` are the values that can be given, if the key takes those of a list. `types` are the
    JSON types that it takes. `children` are the names of the keys of a section, `*` if any name or
    index can be one. `about` says more of a section than fits into a table; empty for other keys.
    """

    path: KeyPath
    description: str
    allowed: str
    choices: tuple[str, ...]
    types: frozenset[str]
    children: tuple[str, ...]
    about: str
    schema: dict[str, Any]


class KeyIndex:
    """The keys of one kind of file.

    Args:
        schema: the JSON Schema of the file, as pydantic makes it.
    """

    def __init__(self, schema: dict[str, Any]) -> None:
        self._schema = schema

    @cached_property
    def all(self) -> dict[KeyPath, Key]:
        """All keys by path, sections before their keys, in the order of the schema.

        `*` in a path stands for any name of a mapping and any index of a list.
        """
        return {key.path: key for key in self._walk(self._schema, ())}

    def at(self, location: tuple[str | int, ...]) -> Key:
        """The key at a location of pydantic's errors.

        Its path has no parts for branches of unions. `[key]` at the end of a location stands for
        the name before it, as opposed to the value.
        """
        if location[-1:] == ("[key]",):
            section = self.at(location[:-2])
            return self._key(_names(section.schema), (*section.path, str(location[-2])))
        path: KeyPath = ()
        schema = self._schema
        for part in map(str, location):
            entries = self._entries(schema)
            if tag := schema.get("discriminator", {}).get("mapping", {}).get(part):
                schema = {"$ref": tag}
            elif (below := entries.get(part, entries.get("*"))) is not None:
                schema, path = below, (*path, part)
        return self._key(schema, path)

    def _walk(self, section: dict[str, Any], path: KeyPath) -> Iterator[Key]:
        for name, schema in self._entries(section).items():
            yield self._key(schema, (*path, name))
            yield from self._walk(schema, (*path, name))

    def _key(self, schema: dict[str, Any], path: KeyPath) -> Key:
        options = list(self._options(schema))
        sections = [option for option in options if "properties" in option]
        words = [words for option in options for words in _allowed(option)]
        if "discriminator" in schema:  # one mapping of several, too long to be listed
            words = [f"a mapping ({schema['discriminator']['propertyName']}, …)"]
        return Key(
            path,
            schema.get("description") or options[0].get("description", ""),
            _either(words),
            tuple(word for option in options for word in option.get("enum", ())),
            frozenset(option["type"] for option in options if "type" in option),
            tuple(self._entries(schema)),
            sections[0].get("description", "") if sections else "",
            schema,
        )

    def _entries(self, schema: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The schemas of the keys of a mapping, and (as `*`) that of the items of a list or of a
        mapping with any names."""
        entries: dict[str, dict[str, Any]] = {}
        for option in self._options(schema):
            entries |= _with_defaults(option, schema)
            for items in (option.get("items"), *option.get("patternProperties", {}).values()):
                if items:
                    entries["*"] = items
        if "discriminator" in schema:
            kinds = {"enum": list(schema["discriminator"]["mapping"]), "type": "string"}
            entries[schema["discriminator"]["propertyName"]] = kinds
        return entries

    def _options(self, schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """The alternatives that a schema allows, references followed."""
        if "$ref" in schema:
            yield self._schema["$defs"][schema["$ref"].rsplit("/", 1)[-1]]
        elif "enum" in schema:
            yield schema
        elif alternatives := schema.get("anyOf", schema.get("oneOf")):
            for alternative in alternatives:
                yield from self._options(alternative)
        else:
            yield schema


@cache
def configuration_keys() -> KeyIndex:
    """The keys of a configuration file."""
    return KeyIndex(file_schema())


def all_keys() -> dict[KeyPath, Key]:
    """All keys of a configuration by path, sections before their keys."""
    return configuration_keys().all


def children(path: KeyPath) -> list[str]:
    """The names of the keys of the section of a configuration at `path` (empty: the top)."""
    return list(configuration_keys().at(path).children)


def _names(schema: dict[str, Any]) -> dict[str, Any]:
    """The schema of the names in a mapping that can have any of one pattern."""
    pattern = next(iter(schema.get("patternProperties", {})), "")
    return {"type": "string", "pattern": pattern, **schema.get("propertyNames", {})}


def _with_defaults(option: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    """The schemas of the keys of `option`, with the defaults that `schema` gives them here."""
    default = schema.get("default")
    here = default if isinstance(default, dict) else {}
    return {
        name: {**value, "default": here[name]} if name in here else value
        for name, value in option.get("properties", {}).items()
    }


def _allowed(option: dict[str, Any]) -> list[str]:
    """What one alternative of a schema allows, in words."""
    if "enum" in option:
        return ["null" if word is None else str(word) for word in option["enum"]]
    if "properties" in option:
        return [f"a mapping ({', '.join(option['properties'])})"]
    if option.get("type") in ("array", "object"):
        return [_collection(option)]
    if "examples" in option:
        return [f"text such as {option['examples'][0]}"]
    if "pattern" in option:
        letters = "letters, digits, `.`, `_` and `-`, the first one a letter or digit"
        return [f"at most {option['maxLength']} {letters}"]
    if option.get("minLength"):
        return ["text that is not empty"]
    return [" ".join(filter(None, [_TYPES[option["type"]], _bounds(option)]))]


def _collection(option: dict[str, Any]) -> str:
    """`a list of at least 2`: what a list, or a mapping with any names, must be like."""
    kind, unit = ("list", "Items") if option["type"] == "array" else ("mapping", "Properties")
    least, most = option.get(f"min{unit}", 0), option.get(f"max{unit}")
    if least == most:
        return f"a {kind} of {least}"
    if least == 1:
        return f"a {kind} that is not empty"
    return f"a {kind} of at least {least}" if least else f"a {kind}"


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
