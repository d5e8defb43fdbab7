"""Work that does not fit into the memory ends with an error that says what to change."""

from collections.abc import Iterator
from contextlib import contextmanager

from mmnist.config.schema import Experiment
from mmnist.errors import RunError
from mmnist.pipeline.device import Hardware


@contextmanager
def explained_if_too_small(experiment: Experiment, hardware: Hardware) -> Iterator[None]:
    """Compute an experiment within the block.

    Raises:
        RunError: in place of torch's RuntimeError where the memory does not suffice.
    """
    try:
        yield
    except RuntimeError as error:  # as which torch raises it, on CUDA and on the CPU
        if "out of memory" not in str(error) and "can't allocate memory" not in str(error):
            raise
        raise RunError(
            f"{experiment.name} does not fit into the memory of {hardware.description} with "
            f"batches of {experiment.train.batch_size} images at {experiment.resize} px: lower "
            "train.batch_size, and raise train.gradient_accumulation instead"
        ) from error
