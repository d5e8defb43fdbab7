"""The option `--device`, which several commands have."""

from enum import StrEnum


class Device(StrEnum):
    """Where to compute."""

    AUTO = "auto"
    CPU = "cpu"
    CUDA = "cuda"
