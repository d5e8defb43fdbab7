"""Interrupting a training, and comparing what it comes to."""

import os
import signal
from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import numpy as np
import pandas as pd
import torch
from safetensors.torch import load_file

from mmnist.runs import Run
from mmnist.training.progress import Reporter

TIMES = ["seconds", "images_per_second"]


def assert_same_result(one: Run, other: Run) -> None:
    """Weights, validation probabilities and metrics agree to the bit."""
    weights, again = load_file(one.model_file), load_file(other.model_file)
    assert weights.keys() == again.keys()
    assert all(torch.equal(weights[name], again[name]) for name in weights)
    for first, second in zip(one.predictions("valid"), other.predictions("valid"), strict=True):
        np.testing.assert_array_equal(first, second)
    pd.testing.assert_frame_equal(
        one.metrics.drop(columns=TIMES), other.metrics.drop(columns=TIMES), check_exact=True
    )
    assert one.summary.valid == other.summary.valid
    assert one.summary.best_epoch == other.summary.best_epoch


@contextmanager
def interrupted_after(batches: int) -> Iterator[None]:
    """Ctrl-C comes when so many batches are trained."""
    done = 0
    count_batch = Reporter.batch_done

    def interrupt(self: Reporter, images: int) -> None:
        nonlocal done
        done += 1
        count_batch(self, images)
        if done == batches:
            os.kill(os.getpid(), signal.SIGINT)

    with mock.patch.object(Reporter, "batch_done", interrupt):
        yield
