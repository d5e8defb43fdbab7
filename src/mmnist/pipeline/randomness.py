"""Random streams, each derived from (seed, purpose, epoch, step).

No stream depends on what was drawn before it, so a run that is resumed in the middle draws what it
would have drawn without the interruption.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are used for; the result of every run depends on the values here."""

    WEIGHTS = 0
    ORDER = 1
    AUGMENTATION = 2
    NETWORK = 3
    """Within the network: dropout."""
    GROUNDS = 4
    """Background textures of the patches of `pretrained: mnist`."""
    PATCHES = 5
    """The patches themselves."""


def stream_seed(seed: int, stream: Stream, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for torch, statistically independent for each combination of arguments."""
    sequence = np.random.SeedSequence((seed, int(stream), epoch, step))
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
