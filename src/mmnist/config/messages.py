"""What pydantic finds wrong with a file, in plain words and with the place in the file."""

import difflib
from collections.abc import Iterator
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mmnist.config.keys import Key, KeyIndex
from mmnist.config.origin import ConfigError, KeyPath, Located, Origin, Problem, dotted
from mmnist.config.yaml_source import Document, is_bool, is_number

Model = TypeVar("Model", bound=BaseModel)

#: Keys whose value decides whether another one fits; messages say where both were given.
RELATED: dict[KeyPath, KeyPath] = {
    ("model", "size"): ("model", "architecture"),
    ("model", "head"): ("model", "architecture"),
    ("model", "digits"): ("model", "architecture"),
    ("model", "angles"): ("model", "architecture"),
    ("model", "orientations"): ("model", "architecture"),
    ("model", "antialiased"): ("model", "architecture"),
    ("model", "pretrained"): ("model", "architecture"),
    ("resize",): ("model", "digits"),
    ("pretraining", "angle_weight"): ("model", "angles"),
    ("pretraining", "empty"): ("model", "architecture"),
    ("pretraining", "candidates"): ("pretraining", "epochs"),
    ("pretraining",): ("model", "pretrained"),
    **{
        (section, "schedule", key): (section, "schedule", "name")
        for section in ("train", "pretraining")
        for key in ("step_size", "gamma", "warmup")
    },
    ("train", "anywhere_weight"): ("model", "digits"),
    ("train", "unfreezing", "epochs"): ("train", "unfreezing", "mode"),
    ("train", "unfreezing", "mode"): ("model", "pretrained"),
}

#: Common names of keys in other tools, too different from ours to be found by similarity.
SYNONYMS = {"lr": "learning_rate", "bs": "batch_size", "wd": "weight_decay", "arch": "architecture"}


#: Sections that few files have: their keys are suggested only if no other section has such a key.
_SPECIAL = ("augment", "pretraining")


def validated(model: type[Model], document: Document, keys: KeyIndex) -> Model:
    """What a document holds, as a `model`.

    Args:
        model: what the document is to be.
        document: a file as it was read.
        keys: the keys that such a file can have.

    Raises:
        ConfigError: the document does not fit the model, or has problems already; there is one
            problem for each key, with its origin, its cause and what is allowed.
    """
    found = list(document.problems)
    try:
        value = model.model_validate(document.root.plain())
    except ValidationError as error:
        # A value that could not be read (for its tag, say) is not reported as of a wrong type, too.
        unread = {(problem.path, problem.origin) for problem in found}
        misfits = _problems(error, document.root, keys)
        found += [each for each in misfits if (each.path, each.origin) not in unread]
    if found:
        raise ConfigError(found)
    return value


def _problems(error: ValidationError, root: Located, keys: KeyIndex) -> list[Problem]:
    found: dict[KeyPath, Problem] = {}
    for detail in error.errors(include_url=False):
        if detail["type"] == "extra_forbidden":
            section = keys.at(detail["loc"][:-1])
            name = str(detail["loc"][-1])
            path = (*section.path, name)
            cause = "; ".join(["unknown key", *_unknown_key_hints(section, name, keys)])
        elif detail["type"].startswith("union_tag"):
            path, cause = _unknown_kind(detail, keys)
        else:
            key = _key(detail["loc"], root, keys)
            path = (*key.path, *detail.get("ctx", {}).get("path", ()))
            cause = _cause(detail, key, path, root)
        found.setdefault(path, Problem(_origin(root, path), path, cause))
    return list(found.values())


def _key(location: tuple[str | int, ...], root: Located, keys: KeyIndex) -> Key:
    """The key at `location`; that of the whole value if the file has a short form there.

    `better: a` is short for `better: [a]`, so an error of the item is one of `better`.
    """
    for end in range(len(location) if location[-1:] != ("[key]",) else 0):
        key = keys.at(location[:end])
        found = root.find(key.path)
        if found is not None and not isinstance(found.value, (dict, list)):
            return key
    return keys.at(location)


def _origin(root: Located, path: KeyPath) -> Origin:
    """Where the key was given; if it was not: its related key, else the section around it."""
    found = root.find(path) or root.find(RELATED.get(path, path))
    return (found or root.nearest(path)).origin


def _unknown_kind(detail: Any, keys: KeyIndex) -> tuple[KeyPath, str]:
    """The key that says which of several mappings one is, and what is wrong with it."""
    name = detail["ctx"]["discriminator"].strip("'")
    key = keys.at((*detail["loc"], name))
    if name not in detail["input"]:
        return key.path, f"is missing; wanted {key.allowed}"
    return key.path, _unwanted(key, detail["input"][name])


def _cause(detail: Any, key: Key, path: KeyPath, root: Located) -> str:
    if detail["type"] == "missing":
        return f"is missing; wanted {key.allowed}"
    if detail["type"] == "value_error":
        return f"{detail['ctx']['error']}{_related(root, path)}"
    if detail["type"] == "at":
        return f"{detail['ctx']['cause']}{_related(root, path)}"
    origin = _origin(root, path)
    made = path == ("name",) and not origin.line and not origin.source.startswith("--set")
    hint = "; it was made from the file's name: add a `name`" if made else ""
    if detail["type"] == "finite_number":
        allowed = key.allowed.replace("a number", "a finite number", 1)
        return f"wanted {allowed}, got {described(detail['input'])}"
    return _unwanted(key, detail["input"]) + hint


def _unwanted(key: Key, value: Any) -> str:
    hints = _value_hints(key, value)
    return "; ".join([f"wanted {key.allowed}, got {described(value)}", *hints])


def _related(root: Located, path: KeyPath) -> str:
    """` (architecture is given in FILE:LINE)`, unless that is the line of `path` itself."""
    other = RELATED.get(path)
    if other is None:
        return ""
    found = root.find(other)
    here = _origin(root, path)
    if found is None or (found.origin.source, found.origin.line) == (here.source, here.line):
        return ""
    return f" ({dotted(other)} is given in {found.origin})"


def described(value: Any) -> str:
    """A value of a configuration as messages show it: `the text 'on'`."""
    if isinstance(value, dict):
        return "a mapping" if value else "an empty mapping"
    if isinstance(value, list):
        return f"a list of {len(value)}" if value else "an empty list"
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    text = text if len(text) <= 60 else f"{text[:50]}…{text[-5:]}"
    return f"the text {text}" if isinstance(value, str) else f"the number {text}"


def _value_hints(key: Key, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        if value is False and "none" in key.choices:
            yield "did you mean 'none'?"
        elif "string" in key.types and not key.choices and isinstance(value, (bool, int, float)):
            yield "put quotes around it"
    elif key.choices:
        words = [word for word in key.choices if isinstance(word, str)]
        yield from (f"did you mean {word!r}?" for word in _close(value.lower(), words))
    elif key.allowed == "true or false":
        if value.lower() in ("yes", "on", "y", "no", "off", "n"):
            yield f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}"
        elif is_bool(value):
            yield "leave the quotes out"
    elif key.types & {"integer", "number"} and is_number(value):
        yield "leave the quotes out"


def _unknown_key_hints(section: Key, given: str, keys: KeyIndex) -> Iterator[str]:
    """What the user may have meant: a key of the same name elsewhere, or a similar one."""
    name = SYNONYMS.get(given, given)
    if name == "extends" and ("extends",) in keys.all:
        yield "extends stands at the top of a file, and only there"
        return
    unnested = (*section.path, *name.split("."))
    if "." in name and keys.at(unnested).path == unnested:
        outer, inner = unnested[-2:]
        yield f"keys do not hold dots in a file: write {inner} below {outer}"
        return
    here = [key for key in section.children if key != "extends"]
    likely = [name] if name in here else _close(name, here)
    others = [key for key in keys.all if not _covers(key[:-1], section.path)]
    # A name that many sections have (magnitude) does not tell which of them the user meant.
    elsewhere = [key for key in others if key[-1] == name]
    elsewhere = [key for key in elsewhere if key[0] not in _SPECIAL] or elsewhere
    elsewhere = elsewhere if len(elsewhere) < 3 and likely != [name] else []
    if elsewhere:
        places = [f"{dotted(key[:-1]) or 'the top'} ({dotted(key)})" for key in elsewhere]
        yield f"belongs under {' or '.join(places)}"
    elif not likely:
        names = {key[-1]: key for key in reversed(others) if key[0] not in _SPECIAL}
        likely = [dotted(names[close]) for close in _close(name, list(names), 0.8)]
    if likely:
        yield f"did you mean {likely[0]!r}?"
    elif not elsewhere:
        yield f"allowed: {', '.join(here)}"


def _covers(pattern: KeyPath, path: KeyPath) -> bool:
    """Whether `pattern`, in which `*` stands for any key, is one of `path`."""
    return len(pattern) == len(path) and all(
        part in ("*", key) for part, key in zip(pattern, path, strict=True)
    )


def _close(word: str, words: list[str], likeness: float = 0.6) -> list[str]:
    return difflib.get_close_matches(word, words, n=1, cutoff=likeness)
