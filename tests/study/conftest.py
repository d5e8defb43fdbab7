"""A small study on disk, with published numbers, to be changed by tests."""

import gc
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

CONFIG = """\
data: {{path: {store}}}
model: {{architecture: shufflenet_v2, size: 0.5}}
resize: 32
train: {{epochs: 2, batch_size: 16, learning_rate: 0.01, schedule: one_cycle}}
compute: {{device: cpu, precision: fp32}}
"""

STUDY = """\
name: pair
title: Two sizes of image
published: numbers
experiments:
  resize:
    question: Do larger images help?
    variants:
      small: small.yaml
      large: {config: large.yaml, label: 64 px}
    claims:
      - claim: Larger images help
        kind: better
        better: large
        than: small
  again:
    question: The same run under another name
    variants:
      only: same.yaml
"""

ACCURACY = """\
experiment,variant,best_valid_accuracy,valid_images,correct
resize,small,0.5,40,20
resize,large,0.95,40,38
"""


@pytest.fixture(autouse=True)
def _no_collection(monkeypatch: pytest.MonkeyPatch) -> None:
    """statsmodels collects garbage in each correction: most of the time of a verdict."""
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture
def study_file(tmp_path: Path, easy_store: Path) -> Callable[..., Path]:
    """Write the study; `study_file(("old text", "new text"), …)` changes its file."""

    def write(*changes: tuple[str, str], accuracy: str = ACCURACY) -> Path:
        folder = tmp_path / "study"
        (folder / "numbers").mkdir(parents=True, exist_ok=True)
        store = tmp_path / "store"
        if not store.exists():
            shutil.copytree(easy_store, store)
        base = CONFIG.format(store=store)
        (folder / "small.yaml").write_text(base, encoding="utf-8")
        (folder / "large.yaml").write_text(base.replace("resize: 32", "resize: 64"), "utf-8")
        (folder / "same.yaml").write_text("extends: small.yaml\n", encoding="utf-8")
        (folder / "numbers" / "accuracy.csv").write_text(accuracy, encoding="utf-8")
        text = STUDY
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        path = folder / "experiments.yaml"
        path.write_text(text, encoding="utf-8")
        return path

    return write
