"""A disk that has no room left ends a training with a clear failure."""

import resource

import pytest

from mmnist.errors import RunError
from mmnist.training.train import train


@pytest.mark.parametrize(
    ("size", "name"),  # the weights take 1.5 MB, the checkpoint three times as much
    [(200_000, "model.safetensors"), (2_500_000, "checkpoint.pt")],
)
def test_a_file_that_cannot_be_written_whole_is_named(tiny, tmp_path, size, name):
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        with pytest.raises(RunError, match=rf"cannot write .*{name}: File too large"):
            train(tiny(train={"epochs": 2}), tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    files = {path.name for path in tmp_path.rglob("*")}
    assert name not in files
    hidden = {file for file in files if file.startswith(".")}
    assert hidden == {".seed-0.lock", ".best-0"}, "a temporary file was left"
    run = train(tiny(train={"epochs": 2}), tmp_path, resume=True)
    assert run.finished
    assert not list(run.path.glob(".*"))
