"""What pydantic finds wrong with a configuration, in plain words and with the place in the file."""

import difflib
from collections.abc import Iterator
from typing import Any

from pydantic import ValidationError

from mmnist.config.keys import Key, all_keys, children
from mmnist.config.origin import KeyPath, Located, Origin, Problem, dotted
from mmnist.config.yaml_source import is_bool, is_number

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


def problems(error: ValidationError, root: Located) -> list[Problem]:
    """The errors in `error`, one problem for each key, with their origins according to `root`."""
    found: dict[KeyPath, Problem] = {}
    for detail in error.errors(include_url=False):
        path = _key_path(detail)
        cause = _cause(detail, path, root)
        found.setdefault(path, Problem(_origin(root, path), path, cause))
    return list(found.values())


def _key_path(detail: Any) -> KeyPath:
    """The key that the error is about, without pydantic's names for the branches of unions."""
    unknown = detail["type"] == "extra_forbidden"
    location = detail["loc"][:-1] if unknown else detail["loc"]
    path: KeyPath = ()
    for part in location:
        if part in children(path):
            path = (*path, str(part))
    if unknown:
        return (*path, str(detail["loc"][-1]))
    return (*path, *detail.get("ctx", {}).get("path", ()))


def _origin(root: Located, path: KeyPath) -> Origin:
    """Where the key was given; if it was not: its related key, else the section around it."""
    found = root.find(path) or root.find(RELATED.get(path, path))
    while found is None:
        path = path[:-1]
        found = root.find(path)
    return found.origin


def _cause(detail: Any, path: KeyPath, root: Located) -> str:
    if detail["type"] == "extra_forbidden":
        return "; ".join(["unknown key", *_unknown_key_hints(path)])
    key = all_keys()[path]
    if detail["type"] == "missing":
        return f"is missing; wanted {key.allowed}"
    if detail["type"] == "value_error":
        return f"{detail['ctx']['error']}{_related(root, path)}"
    if detail["type"] == "at":
        return f"{detail['ctx']['cause']}{_related(root, path)}"
    value = detail["input"]
    hints = list(_value_hints(key, value))
    origin = _origin(root, path)
    if path == ("name",) and not origin.line and not origin.source.startswith("--set"):
        hints.append("it was made from the file's name: add a `name`")
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
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    if value is None:
        return "nothing (null)"
    if isinstance(value, bool):
        return str(value).lower()
    text = repr(value)
    text = text if len(text) <= 60 else f"{text[:50]}…{text[-5:]}"
    return f"the text {text}" if isinstance(value, str) else f"the number {text}"


def _value_hints(key: Key, value: Any) -> Iterator[str]:
    if not isinstance(value, str):
        if key.schema.get("type") == "string" and isinstance(value, (bool, int, float)):
            yield "put quotes around it"
    elif key.choices:
        words = [word for word in key.choices if isinstance(word, str)]
        yield from (f"did you mean {word!r}?" for word in _close(value.lower(), words))
    elif key.allowed == "true or false":
        if value.lower() in ("yes", "on", "y", "no", "off", "n"):
            yield f"write {'true' if value.lower() in ('yes', 'on', 'y') else 'false'}"
        elif is_bool(value):
            yield "leave the quotes out"
    elif key.schema.get("type") != "string" and is_number(value):
        yield "leave the quotes out"


def _unknown_key_hints(path: KeyPath) -> Iterator[str]:
    """What the user may have meant: a key of the same name elsewhere, or a similar one."""
    section, name = path[:-1], SYNONYMS.get(path[-1], path[-1])
    if name == "extends":
        yield "extends stands at the top of a file, and only there"
        return
    if (unnested := (*section, *name.split("."))) in all_keys() and "." in name:
        outer, inner = unnested[-2:]
        yield f"keys do not hold dots in a file: write {inner} below {outer}"
        return
    here = [key for key in children(section) if key != "extends"]
    likely = [name] if name in here else _close(name, here)
    # A name that many sections have (magnitude) does not tell which of them the user meant.
    elsewhere = [key for key in all_keys() if key[-1] == name]
    elsewhere = [key for key in elsewhere if key[0] not in _SPECIAL] or elsewhere
    elsewhere = elsewhere if len(elsewhere) < 3 and likely != [name] else []
    if elsewhere:
        places = [f"{dotted(key[:-1]) or 'the top'} ({dotted(key)})" for key in elsewhere]
        yield f"belongs under {' or '.join(places)}"
    elif not likely:
        names = {key[-1]: key for key in reversed(all_keys()) if key[0] not in _SPECIAL}
        likely = [dotted(names[close]) for close in _close(name, list(names), 0.8)]
    if likely:
        yield f"did you mean {likely[0]!r}?"
    elif not elsewhere:
        yield f"allowed: {', '.join(here)}"


def _close(word: str, words: list[str], likeness: float = 0.6) -> list[str]:
    return difflib.get_close_matches(word, words, n=1, cutoff=likeness)
