"""Random streams, each derived from (seed, purpose, epoch, step).

No stream depends on what was drawn before it, so a run that is taken up in the middle draws what it
would have drawn without the break.
"""

from enum import IntEnum

import numpy as np


class Stream(IntEnum):
    """What random numbers are used for; the numbers are part of every run's result."""

    WEIGHTS = 0
    ORDER = 1
    AUGMENTATION = 2
    NETWORK = 3
    """Within the network: dropout."""
    GROUNDS = 4
    """Textures of the patches of `pretrained: mnist`."""
    PATCHES = 5
    """The patches themselves."""


def stream_seed(seed: int, stream: Stream, epoch: int = 0, step: int = 0) -> int:
    """A 63-bit seed for torch, statistically independent for each combination of arguments."""
    sequence = np.random.SeedSequence((seed, int(stream), epoch, step))
    return int(sequence.generate_state(1, np.uint64)[0] >> 1)
