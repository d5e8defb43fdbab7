"""What variants cost on one machine, and the file that keeps it."""

import json
from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import NonNegativeFloat, PositiveFloat, PositiveInt, TypeAdapter, ValidationError

from mmnist.errors import InputError
from mmnist.files import write_text


@dataclass(frozen=True)
class Cost:
    """What one variant costs on one machine, measured on a few steps.

    See `mmnist.training.cost` for how.
    """

    parameters: PositiveInt
    """Trainable parameters."""
    macs: PositiveInt
    """Multiply–accumulate operations of one forward pass of one image."""
    train_images_per_second: PositiveFloat
    """Median over the timed steps."""
    valid_images_per_second: PositiveFloat
    """Median over the timed batches."""
    peak_memory_mib: NonNegativeFloat
    """CUDA: most memory that torch had allocated; CPU: growth of the process's resident memory
    over that before the network was built. The data set is not in it."""
    batch_size: PositiveInt
    """Images in a batch, of which a step of the optimiser may take several."""
    device: str
    """The device, for people (`Hardware.description`)."""
    precision: str
    """fp32, bf16 or fp16."""
    threads: PositiveInt
    """Threads that torch computes with on the CPU."""

    def seconds(self, epochs: int, train_images: int, valid_images: int) -> float:
        """Estimate of a run, without its start and the writing of its files."""
        train = train_images / self.train_images_per_second
        return epochs * (train + valid_images / self.valid_images_per_second)


_COSTS = TypeAdapter(dict[str, Cost])


def read_costs(path: Path) -> dict[str, Cost]:
    """Costs by name, as `write_costs` wrote them; none where there is no such file.

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
        first = error.errors(include_url=False)[0]
        place = ".".join(map(str, first["loc"]))
        raise InputError(
            f"{path} is damaged: {place + ': ' if place else ''}{first['msg']}; delete it, and it "
            "is measured again"
        ) from error


def write_costs(path: Path, costs: Mapping[str, Cost]) -> None:
    """Write costs by name as JSON; the file is replaced whole.

    Raises:
        RunError: the file cannot be written.
    """
    content = {name: asdict(cost) for name, cost in costs.items()}
    write_text(path, json.dumps(content, indent=2, allow_nan=False) + "\n")


def drop_costs(path: Path, stale: Collection[str]) -> None:
    """Forget the costs of these names.

    Raises:
        InputError: the file is damaged.
        RunError: it cannot be written.
    """
    costs = read_costs(path)
    if costs.keys() & set(stale):
        write_costs(path, {name: cost for name, cost in costs.items() if name not in stale})
