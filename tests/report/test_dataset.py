"""What is told of a data set; tests/cli/test_data.py has what `mmnist data info` prints."""

import numpy as np
import pytest
from rich.console import Console

from mmnist.config.schema import SplitSettings
from mmnist.data.store import Store, StoreWriter
from mmnist.report.dataset import captions, describe_dataset

LABELS = np.repeat([3, 9], [30, 10])


@pytest.fixture
def store(tmp_path) -> Store:
    """40 training images with labels, 2 test images with labels and digits."""
    with StoreWriter(tmp_path / "made") as writer:
        arrays = {
            "train_images": np.zeros((40, 128, 128)),
            "train_labels": LABELS,
            "test_images": np.zeros((2, 128, 128)),
            "test_labels": np.array([9, 4]),
            "test_digits": np.array([[1, 9, 0], [4, 4, 2]]),
        }
        for name, values in arrays.items():
            writer.create(name, values.shape, np.uint8)[:] = values
        return writer.finish({"kind": "generated", "seed": 7, "labels": "natural"})


def cells(table, title: str) -> list[str]:
    (column,) = (each for each in table.columns if each.header == title)
    return [*column.cells, column.footer]


def test_facts_and_counts(store):
    settings = SplitSettings(method="ordered", fraction=0.8)
    facts, table = describe_dataset(store, settings, "x.yaml")
    assert facts["source"] == "generated, seed 7, labels natural"
    assert facts["images"] == "40 train, 2 test"
    assert facts["split"] == "ordered 0.8: 32 train, 8 validate (x.yaml)"
    assert cells(table, "train") == ["0", "0", "0", "30", *"00000", "10", "40"]
    assert cells(table, "split: train") == ["0", "0", "0", "24", *"00000", "8", "32"]
    assert cells(table, "validate") == ["0", "0", "0", "6", *"00000", "2", "8"]
    assert cells(table, "test") == [*"0000100001", "2"]


def test_no_number_is_cut_in_a_narrow_terminal(store):
    _, table = describe_dataset(store, SplitSettings(method="ordered", fraction=0.8), "x.yaml")
    console = Console(width=40, color_system=None)
    with console.capture() as capture:
        console.print(table, crop=False)
    text = capture.get()
    assert "…" not in text
    rows = {line.split()[0]: line.split()[1:] for line in text.splitlines() if line.strip()}
    assert rows["9"] == ["10", "25.00%", "1", "50.00%", "8", "2"]
    assert rows["all"] == ["40", "2", "32", "8"]


def test_captions_say_what_is_known(store):
    assert captions(store, "train", 29, 2) == ["29: 3", "30: 9"]
    assert captions(store, "test", 0, 2) == ["0: 9  (1 9 0)", "1: 4  (4 4 2)"]
