"""What is recorded of where a run was made."""

import re
import subprocess
from pathlib import Path

import pytest
import torch

from mmnist.config.schema import ComputeSettings
from mmnist.data.store import open_store
from mmnist.pipeline.device import choose_hardware
from mmnist.training import environment

ROOT = Path(__file__).resolve().parents[2]


def test_environment_of_a_run(easy_store):
    hardware = choose_hardware(ComputeSettings(device="cpu", precision="fp32"))
    found = environment.describe_environment(hardware, open_store(easy_store))
    assert re.fullmatch(rf"CPU \(.+\), {torch.get_num_threads()} threads?", found.device)
    assert found.precision == "fp32"
    assert set(found.packages) >= {"mmnist", "torch", "torchvision", "fastai"}
    assert found.data.fingerprint == open_store(easy_store).fingerprint


@pytest.mark.skipif(
    not (ROOT / ".git").exists() or not Path(environment.__file__).is_relative_to(ROOT),
    reason="not a clone, or installed as a copy",
)
def test_commit_is_the_one_that_is_checked_out():
    head = subprocess.run(
        ["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.strip()
    assert environment._commit().rstrip("+") == head


def test_a_copy_in_another_repository_has_no_commit(tmp_path, monkeypatch):
    package = tmp_path / "mmnist"
    package.mkdir()
    (package / "__init__.py").touch()
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    monkeypatch.setattr(environment.mmnist, "__file__", str(package / "__init__.py"))
    assert environment._commit() is None
