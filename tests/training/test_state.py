"""The state of a run: which epoch is best, and that a checkpoint gives it back."""

import pytest

from mmnist.training.state import Best, RunState


@pytest.mark.parametrize(
    ("accuracy", "loss", "beats"),
    [(0.91, 9.0, True), (0.90, 0.4, True), (0.90, 0.5, False), (0.90, 0.6, False), (0.8, 0, False)],
)
def test_higher_accuracy_is_better_then_lower_loss(accuracy, loss, beats):
    assert Best(epoch=1, accuracy=0.90, loss=0.5).beaten_by(accuracy, loss) is beats


@pytest.mark.parametrize("best", [None, Best(2, 0.9, 0.1)])
def test_state_comes_back_from_plain_values(best):
    state = RunState(epoch=3, step=7, loss_sum=1.5, correct=4, seen=9, rows=[{"a": 1.0}], best=best)
    assert RunState.from_dict(state.to_dict()) == state


def test_checkpoints_of_earlier_versions_know_no_memory():
    values = RunState(epoch=3).to_dict()
    del values["peak_memory_mib"]
    assert RunState.from_dict(values) == RunState(epoch=3)
