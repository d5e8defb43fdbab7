"""The option `--device`, which several commands have."""

DEVICES = ("auto", "cpu", "cuda")


def check_device(device: str | None) -> None:
    """Raise InputError unless `device` is one of `DEVICES`, or not given."""
    from mmnist.errors import InputError

    if device is not None and device not in DEVICES:
        raise InputError(f"--device {device}: allowed: {', '.join(DEVICES)}")
