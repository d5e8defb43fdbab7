"""The manifest of a prepared data set: which arrays there are, and what they must look like."""

import json
from pathlib import Path
from typing import Annotated, Final, Literal, get_args

from pydantic import Field, JsonValue, ValidationError, field_validator

from mmnist.config.section import Section
from mmnist.errors import InputError, first_problem
from mmnist.task import CLASSES, IMAGE_SHAPE

FORMAT_VERSION: Final = 1
MANIFEST = "manifest.json"

Part = Literal["train", "test"]
PARTS: tuple[Part, ...] = get_args(Part)

#: Shape after N, and dtype, of each array of a part.
LAYOUT: dict[str, tuple[tuple[int, ...], str]] = {
    "images": (IMAGE_SHAPE, "uint8"),
    "labels": ((), "uint8"),
    "digits": ((3,), "uint8"),
}
ARRAY_NAMES = tuple(f"{part}_{kind}" for part in PARTS for kind in LAYOUT)
_REQUIRED = ("train_images", "train_labels", "test_images")
FILES = {MANIFEST, *(f"{name}.npy" for name in ARRAY_NAMES)}


class ArrayRecord(Section):
    """One array of a store."""

    file: str
    """Name of the .npy file within the store."""
    dtype: str
    """NumPy's name of the dtype."""
    shape: tuple[int, ...]
    """Shape, the number of images first."""
    sha256: str
    """SHA-256 of the .npy file, as `sha256sum` prints it."""


class Manifest(Section):
    """What a store holds."""

    format_version: Literal[1]
    """Version of the layout of a store."""
    source: dict[str, JsonValue]
    """Where the images come from; `kind` is `generated` or `competition`."""
    arrays: dict[str, ArrayRecord]
    """The arrays by name."""
    label_counts: dict[
        Part, Annotated[tuple[int, ...], Field(min_length=CLASSES, max_length=CLASSES)]
    ]
    """Images of each label 0-9, for each part that has labels."""

    @field_validator("source")
    @classmethod
    def _source_has_a_kind(cls, source: dict[str, JsonValue]) -> dict[str, JsonValue]:
        if source.get("kind") not in ("generated", "competition"):
            raise ValueError("kind must be 'generated' or 'competition'")
        return source

    @field_validator("arrays")
    @classmethod
    def _arrays_fit(cls, arrays: dict[str, ArrayRecord]) -> dict[str, ArrayRecord]:
        missing = [name for name in _REQUIRED if name not in arrays]
        if missing:
            raise ValueError(f"{', '.join(missing)} missing")
        for name, record in arrays.items():
            if record.file != f"{name}.npy":
                raise ValueError(f"file of {name} must be {name}.npy, not {record.file}")
            check_layout(name, record.shape, record.dtype)
        for part in PARTS:
            counts = {r.shape[0] for name, r in arrays.items() if name.startswith(part)}
            if len(counts) > 1:
                raise ValueError(f"arrays of {part} differ in length: {sorted(counts)}")
        return arrays


def check_layout(name: str, shape: tuple[int, ...], dtype: str) -> None:
    """Raise ValueError unless an array of this name may have this shape and dtype."""
    if name not in ARRAY_NAMES:
        raise ValueError(f"no array {name!r} in a store; there are: {', '.join(ARRAY_NAMES)}")
    item_shape, wanted = LAYOUT[name.partition("_")[2]]
    if not shape or shape[0] < 1 or tuple(shape[1:]) != item_shape or dtype != wanted:
        raise ValueError(
            f"{name} must be {wanted} {['N', *item_shape]} with N at least 1, not {dtype} "
            f"{list(shape)}"
        )


def read_manifest(file: Path) -> Manifest:
    """Read and check a manifest. Raises InputError."""
    try:
        content = json.loads(file.read_bytes())
        version = content["format_version"]
        if version != FORMAT_VERSION:
            raise InputError(
                f"{file}: the data set has format {version}, but this version of mmnist reads "
                f"format {FORMAT_VERSION}: make or import the data set again"
            )
        return Manifest.model_validate_json(file.read_bytes())
    except ValidationError as error:
        cause = first_problem(error)
    except (OSError, ValueError, KeyError, TypeError, RecursionError) as error:
        cause = f"{type(error).__name__}: {error}"
    raise InputError(f"{file} cannot be used ({cause}): make or import the data set again")
