"""Costs of variants on one machine, and the file that stores them."""

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from statistics import median
from typing import Annotated

from pydantic import Field, PositiveInt, TypeAdapter, ValidationError

from mmnist.errors import InputError, first_problem
from mmnist.files import write_text

PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegativeFloat = Annotated[float, Field(ge=0, allow_inf_nan=False)]


@dataclass(frozen=True)
class Cost:
    """What one variant costs on one machine: one measurement on a few steps.

    See `mmnist.training.cost` for how it is made.
    """

    parameters: PositiveInt
    """Parameters of the network."""
    macs: PositiveInt
    """Multiply–accumulate operations of one forward pass of one image."""
    train_images_per_second: PositiveFloat
    """Median over the timed steps."""
    valid_images_per_second: PositiveFloat
    """Median over the timed batches."""
    peak_memory_mib: NonNegativeFloat
    """Peak memory of the training beyond that before the network was built, so without the data
    set. CUDA: allocated by torch, after warm-up; CPU: resident memory of the process."""
    batch_size: PositiveInt
    """Images per batch; a step of the optimiser may take several batches."""
    device: str
    """Human-readable name of the device (`Hardware.description`)."""
    precision: str
    """fp32, bf16 or fp16."""
    threads: PositiveInt
    """CPU threads that torch computes with."""
    round: str = field(default="", compare=False)
    """When the round of this measurement began, in which each variant is measured once; empty in
    files of older versions."""

    def seconds(self, epochs: int, train_images: int, valid_images: int) -> float:
        """Estimated seconds of a run, excluding its start and the writing of its files."""
        train = train_images / self.train_images_per_second
        return epochs * (train + valid_images / self.valid_images_per_second)


def typical_cost(costs: Sequence[Cost]) -> Cost:
    """The last of a variant's measurements, with its rates and memory replaced by their medians."""
    measured = ("train_images_per_second", "valid_images_per_second", "peak_memory_mib")
    return replace(
        costs[-1], **{name: median(getattr(cost, name) for cost in costs) for name in measured}
    )


def whole_rounds(
    costs: Mapping[str, Sequence[Cost]], pairs: Iterable[Collection[str]]
) -> dict[str, list[Cost]]:
    """The measurements, without those of rounds in which not all of a pair were measured.

    Names that are linked by pairs, directly or through others, are compared round by round. So a
    measurement of one alone, from before another was added or changed, does not count.
    """
    kept = {name: _by_round(each) for name, each in costs.items()}
    shortened = True
    while shortened:
        shortened = False
        for pair in pairs:
            shared = set.intersection(*(set(kept.get(name, ())) for name in pair))
            for name in pair:
                if kept.get(name, {}).keys() - shared:
                    kept[name] = {key: kept[name][key] for key in kept[name] if key in shared}
                    shortened = True
    return {name: list(each.values()) for name, each in kept.items() if each}


def made_on(
    costs: Mapping[str, Sequence[Cost]], devices: Mapping[str, str]
) -> dict[str, list[Cost]]:
    """The measurements, without those that were made on another device than `devices` has."""
    kept = {
        name: [cost for cost in each if cost.device == devices.get(name, cost.device)]
        for name, each in costs.items()
    }
    return {name: each for name, each in kept.items() if each}


def shared_rounds(above: Sequence[Cost], below: Sequence[Cost]) -> list[tuple[Cost, Cost]]:
    """The measurements of two variants in the rounds in which both were measured."""
    first, second = _by_round(above), _by_round(below)
    return [(cost, second[key]) for key, cost in first.items() if key in second]


def _by_round(costs: Sequence[Cost]) -> dict[str | int, Cost]:
    """Measurements by the time of their round or, if an older file has none, by their position."""
    return {cost.round or position: cost for position, cost in enumerate(costs)}


_COSTS = TypeAdapter(dict[str, Annotated[list[Cost], Field(min_length=1)]])


def read_costs(path: Path) -> dict[str, list[Cost]]:
    """Measurements by name, as `write_costs` wrote them; none if there is no such file.

    Raises:
        InputError: the file cannot be read, or is damaged.
    """
    try:
        return _COSTS.validate_json(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise InputError(f"cannot read {path}: {error.strerror}") from error
    except ValidationError as error:
        cause = f"{first_problem(error)}; delete it, and it is measured again"
        raise InputError(f"{path} is damaged: {cause}") from error


def write_costs(path: Path, costs: Mapping[str, Sequence[Cost]]) -> None:
    """Write measurements by name as JSON; the file is replaced whole.

    Raises:
        RunError: the file cannot be written.
    """
    content = {name: [asdict(cost) for cost in each] for name, each in costs.items()}
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def drop_costs(path: Path, stale: Collection[str]) -> None:
    """Remove the costs of these names from the file.

    Raises:
        InputError: the file is damaged.
        RunError: it cannot be written.
    """
    costs = read_costs(path)
    if costs.keys() & set(stale):
        write_costs(path, {name: each for name, each in costs.items() if name not in stale})
