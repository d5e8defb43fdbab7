import pickle
import re
import struct
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mmnist.cli import run
from mmnist.data.generate import GENERATOR_VERSION
from mmnist.data.store import StoreWriter, open_store
from mmnist.terminal import console

COUNTS = (42, 421, 1029, 1991, 3171, 4223, 6184, 8866, 10621, 13452)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    folder = tmp_path / "competition"
    folder.mkdir()
    grey = np.random.default_rng(0).integers(0, 256, (40, 128, 128), dtype=np.uint8)
    (folder / "train_max_x").write_bytes(pickle.dumps(grey))
    (folder / "test_max_x").write_bytes(pickle.dumps(grey[:3]))
    rows = "".join(f"{i},{i % 2}\n" for i in range(40))
    (folder / "train_max_y.csv").write_text("Id,Label\n" + rows)
    return folder


def output(capsys: pytest.CaptureFixture[str]) -> str:
    """What went to stdout, with a line's spaces reduced to one."""
    return re.sub(" +", " ", capsys.readouterr().out)


@pytest.fixture
def digits(tmp_path: Path) -> str:
    """A folder of MNIST's four files with two images of each digit."""
    folder = tmp_path / "idx"
    folder.mkdir()
    for part in ("train", "t10k"):
        grey = np.zeros((20, 28, 28), np.uint8)
        grey[:, 6:22, 10:18] = np.random.default_rng(len(part)).integers(1, 256, (20, 16, 8))
        header = struct.pack(">IIII", 0x803, 20, 28, 28)
        (folder / f"{part}-images-idx3-ubyte").write_bytes(header + grey.tobytes())
        labels = struct.pack(">II", 0x801, 20) + bytes([*range(10)] * 2)
        (folder / f"{part}-labels-idx1-ubyte").write_bytes(labels)
    return "idx"


def test_make_then_info(digits: str, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["--train", "40", "--test", "6", "--seed", "3", "--digits", digits]
    assert run(["data", "make", *arguments, "--labels", "balanced", "--workers", "1"]) == 0
    assert output(capsys) == "data/modified-mnist: 40 training and 6 test images\n"
    store = open_store("data/modified-mnist")
    assert (store.count("train"), store.count("test")) == (40, 6)
    assert store.generated
    assert run(["data", "info"]) == 0
    text = output(capsys)
    assert "data set: data/modified-mnist\n" in text
    assert "source: generated, seed 3, labels balanced\n" in text
    assert f"generator: version {GENERATOR_VERSION}\n" in text
    assert "digits: idx\n" in text
    assert "images: 40 train, 6 test\n" in text
    assert f"fingerprint: {store.fingerprint}\n" in text
    assert run(["data", "make", *arguments, "--test-digits", "all", "--force"]) == 0
    assert run(["data", "info"]) == 0
    assert "digits: idx, all of them in the test images\n" in output(capsys)


def test_make_replaces_a_data_set_only_by_force(
    digits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    write_labels(np.array([1]))
    arguments = ["data", "make", "-o", "d", "--train", "3", "--test", "2", "--workers", "1"]
    assert run([*arguments, "--digits", digits]) == 2
    assert "d already holds a data set; --force replaces it" in capsys.readouterr().err
    assert not open_store("d").generated
    assert run([*arguments, "--digits", digits, "--force"]) == 0
    assert open_store("d").generated


def test_import_then_info(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["data", "import", str(source), "--output", "d"]) == 0
    assert output(capsys) == "d: 40 training and 3 test images\n"
    assert run(["data", "info", "d"]) == 0
    text = output(capsys)
    assert "source: the competition's files\n" in text
    assert "digits:" not in text
    assert "split: stratified 0.9, seed 0: 36 train, 4 validate (default)" in text
    assert " 1 20 50.00% 18 2 \n" in text  # the test images have no labels
    assert run(["data", "import", str(source), "--output", "d"]) == 2
    assert run(["data", "import", str(source), "--output", "d", "--force"]) == 0


def test_a_failed_import_says_why(source: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (source / "test_max_x").write_bytes(b"cos\nsystem\n(S'touch canary'\ntR.")
    assert run(["data", "import", str(source)]) == 2
    error = capsys.readouterr().err
    assert f"refused to load os.system from {source / 'test_max_x'}" in error
    assert "Traceback" not in error
    assert not Path("data/modified-mnist").exists()
    assert not Path("canary").exists()


def write_labels(labels: np.ndarray) -> None:
    with StoreWriter("d") as writer:
        writer.create("train_images", (len(labels), 128, 128), np.uint8)
        writer.create("train_labels", labels.shape, np.uint8)[:] = labels
        writer.create("test_images", (1, 128, 128), np.uint8)
        writer.finish({"kind": "competition"})


@pytest.mark.parametrize("width", [20, 80])
def test_info_shows_the_split_of_a_configuration(
    width: int, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(console, "width", width)  # a narrow terminal cuts no number off
    write_labels(np.repeat(np.arange(10), [count // 42 for count in COUNTS]))
    Path("c.yaml").write_text(
        "model: {architecture: resnet, size: 18}\n"
        "data: {path: d, split: {method: ordered, fraction: 0.8}}\n"
    )
    assert run(["data", "info", "--config", "c.yaml"]) == 0
    text = output(capsys)
    n = [count // 42 for count in COUNTS]
    train = [int(count * 0.8) for count in n]
    assert (
        f"split: ordered 0.8: {sum(train):,} train, {sum(n) - sum(train)} validate (c.yaml)\n"
    ) in text
    for label in range(10):
        share = f"{n[label] / sum(n):.2%}"
        assert f" {label} {n[label]} {share} {train[label]} {n[label] - train[label]} \n" in text


def test_info_of_a_data_set_that_cannot_be_split(capsys: pytest.CaptureFixture[str]) -> None:
    write_labels(np.array([3, 3, 4, 4, 5, 5]))
    assert run(["data", "info", "d"]) == 0
    text = output(capsys)
    assert "split: data.split: 6 training images cannot be split" in text
    assert " 4 2 33.33% \n" in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["make", "--train", "0"], "train is 0; it must be at least 1"),
        (["make", "--test", "-1"], "test is -1; it must be at least 1"),
        (["make", "--seed", "-1"], "seed is -1; it must be at least 0"),
        (["make", "--workers", "0"], "workers is 0; it must be at least 1"),
        (["make", "--digits", "nowhere"], "nowhere"),
        (["make", "--output", "."], "not overwritten"),
        (["make", "--output", ".", "--force"], "not overwritten"),
        (["import", "nowhere"], "nowhere does not exist"),
        (["import", "."], "train_max_x is missing in ."),
        (["import", "letter"], "neither a folder nor a complete zip"),
        (["info"], "mmnist data make --output data/modified-mnist"),
        (["info", "nowhere"], "no data set at nowhere"),
        (["info", "now here"], "mmnist data make --output 'now here'"),
        (["info", "--config", "nowhere.yaml"], "nowhere.yaml"),
    ],
)
def test_bad_arguments(
    arguments: list[str], message: str, digits: str, capsys: pytest.CaptureFixture[str]
) -> None:
    Path("letter").write_text("dear")
    if arguments[0] == "make" and "--digits" not in arguments:
        arguments = [*arguments, "--digits", digits]
    assert run(["data", *arguments]) == 2
    captured = capsys.readouterr()
    assert message in captured.err
    assert captured.out == ""
    assert sorted(entry.name for entry in Path().iterdir()) == ["idx", "letter"]


@pytest.mark.parametrize(
    ("arguments", "rows", "said"),
    [
        (["--count", "3"], 1, "3 images: grid.png"),
        (["--config", "x.yaml", "--count", "3"], 3, "3 images, each 8 times: grid.png"),
        (["--config", "x.yaml"], 5, "5 images, each 8 times: grid.png"),
        (["--config", "x.yaml", "--columns", "2"], 5, "5 images, each 2 times: grid.png"),
    ],
)
def test_show_draws_as_many_images_as_were_asked_for(
    source: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], rows: int, said: str
) -> None:
    assert run(["data", "import", str(source), "--output", "store"]) == 0
    Path("x.yaml").write_text("model: {architecture: resnet, size: 18}\naugment: paper\n")
    heights = []
    for count in (["--count", "1"], arguments):
        assert run(["data", "show", "store", *count]) == 0
        with Image.open("grid.png") as image:
            heights.append(image.height)
    assert said in output(capsys)
    assert round(heights[1] / heights[0]) == rows
