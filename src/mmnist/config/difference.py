"""The keys in which experiments differ."""

from collections.abc import Sequence, Set
from typing import Any

from mmnist.config.schema import Experiment

#: Keys that only say where files are; fingerprints say whether these are the same.
PLACES = frozenset({"data.path", "pretraining.digits"})


def differing_keys(experiments: Sequence[Experiment], beside: Set[str]) -> list[str]:
    """Dotted keys whose value is not the same in all experiments, in alphabetical order.

    Args:
        experiments: at least one.
        beside: dotted keys that are ignored, with all that they hold.
    """
    first, *others = (_flat(experiment.model_dump()) for experiment in experiments)
    ignored = tuple(f"{key}." for key in beside)
    return sorted(
        {
            key
            for other in others
            for key in first.keys() | other.keys()
            if first.get(key) != other.get(key) and not f"{key}.".startswith(ignored)
        }
    )


def _flat(values: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for key, value in values.items():
        if isinstance(value, dict):
            flat |= _flat(value, f"{prefix}{key}.")
        else:
            flat[prefix + key] = value
    return flat
