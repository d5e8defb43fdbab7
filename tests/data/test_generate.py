import multiprocessing
import os
import signal
import subprocess
import sys
import textwrap

import numpy as np
import pytest

from mmnist.data.digits import DigitPools, load_digits
from mmnist.data.generate import GENERATOR_VERSION, make_dataset
from mmnist.data.store import open_store
from mmnist.errors import InputError, RunError

KINDS = ("images", "labels", "digits")


@pytest.fixture(scope="module")
def digits():
    return load_digits("sample")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("data")


@pytest.fixture(scope="module")
def one_worker(folder, digits):
    return make(folder / "one", digits)


def make(path, digits, **changes):
    wanted = {"train": 520, "test": 60, "seed": 3, "labels": "natural", "workers": 1}
    return make_dataset(path, digits=digits, **{**wanted, **changes})


def arrays(store, part):
    return [np.asarray(getattr(store, kind)(part)) for kind in KINDS]


def test_what_is_written(one_worker, digits):
    store = open_store(one_worker.path)
    for part, n in (("train", 520), ("test", 60)):
        images, labels, shown = arrays(store, part)
        assert images.shape == (n, 128, 128)
        assert images.dtype == np.uint8
        np.testing.assert_array_equal(labels, shown.max(axis=1))
        assert (images.reshape(n, -1).std(axis=1) > 5).all()  # no image was left out
    assert store.manifest.source == {
        "kind": "generated",
        "generator_version": GENERATOR_VERSION,
        "seed": 3,
        "labels": "natural",
        "digits": "sample",
        "test_digits": "new",
        "digits_sha256": digits.fingerprint,
    }


def test_two_workers_write_the_same_bytes(folder, digits, one_worker):
    finished = []
    two = make(folder / "two", digits, workers=2, progress=finished.append)
    assert two.fingerprint == one_worker.fingerprint
    assert sorted(finished) == [20, 60, 250, 250]


def test_a_smaller_set_is_the_beginning_of_a_larger(folder, digits, one_worker):
    small = make(folder / "small", digits, train=270, test=10)
    for part, n in (("train", 270), ("test", 10)):
        for few, many in zip(arrays(small, part), arrays(one_worker, part), strict=True):
            np.testing.assert_array_equal(few, many[:n])


def test_the_seed_changes_everything(folder, digits, one_worker):
    other = make(folder / "seed", digits, seed=4, train=100)
    same = arrays(other, "train")[0] == arrays(one_worker, "train")[0][:100]
    assert same.mean() < 0.2


def test_balanced_labels(folder, digits):
    store = make(folder / "balanced", digits, labels="balanced", test=1)
    counts = np.bincount(store.labels("train"), minlength=10)
    # Expected 52 each; natural labels would give 0.5 of class 0 and 141 of class 9.
    assert counts.min() > 25
    assert counts.max() < 85


def test_train_and_test_show_only_their_own_digits(folder):
    """Training digits are full squares, test digits hollow ones: told apart by their middle."""
    full = np.zeros((28, 28), np.uint8)
    full[6:22, 6:22] = 255
    hollow = full.copy()
    hollow[9:19, 9:19] = 0
    labels = np.arange(10, dtype=np.uint8)
    pools = DigitPools(np.stack([full] * 10), labels, np.stack([hollow] * 10), labels, "toy", "0")
    store = make(folder / "pools", pools, train=40, test=40)
    white = {part: (store.images(part) == 255).sum(axis=(1, 2)) for part in ("train", "test")}
    # 3 squares of 16 x 16 px, enlarged; a hollow one has 61 % of that.
    assert white["train"].min() > 3 * 16**2 * 0.85
    assert white["test"].mean() < 0.75 * white["train"].mean()
    assert not store.tests_on_training_digits
    # Where all digits may be shown, half of them are full: three of three in 1 image of 8.
    both = make(folder / "all", pools, train=40, test=160, test_digits="all")
    shown = (both.images("test") == 255).sum(axis=(1, 2))
    assert np.median(white["test"]) < np.median(shown) < np.median(white["train"])
    assert both.tests_on_training_digits
    np.testing.assert_array_equal(both.images("train"), store.images("train"))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"train": 0}, "train is 0; it must be at least 1"),
        ({"test": -1}, "test is -1"),
        ({"workers": 0}, "workers is 0"),
        ({"seed": -1}, "seed is -1; it must be at least 0"),
    ],
)
def test_impossible_numbers(tmp_path, digits, change, message):
    with pytest.raises(InputError, match=message):
        make(tmp_path / "store", digits, **change)
    assert not list(tmp_path.iterdir())


def test_an_absurd_number_is_refused_before_its_images_are_listed(tmp_path, digits):
    with pytest.raises(RunError, match="not enough disk space"):
        make(tmp_path / "store", digits, train=10**15)
    assert not list(tmp_path.iterdir())


def test_an_existing_store_is_kept_unless_overwritten(folder, digits, one_worker):
    with pytest.raises(InputError, match="one"):
        make(one_worker.path, digits)
    make(folder / "again", digits, train=5, test=5)
    assert make(folder / "again", digits, train=6, test=5, overwrite=True).count("train") == 6


def test_nothing_stays_behind_when_interrupted(tmp_path, digits):
    def interrupt(_):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make(tmp_path / "store", digits, progress=interrupt)
    assert not list(tmp_path.iterdir())


def test_a_dead_worker_is_reported(tmp_path, digits):
    def kill_the_workers(_):
        for worker in multiprocessing.active_children():
            worker.kill()

    with pytest.raises(RunError, match="worker process ended unexpectedly"):
        make(tmp_path / "store", digits, train=5000, workers=2, progress=kill_the_workers)
    assert not list(tmp_path.iterdir())


SCRIPT = """
    import multiprocessing
    import sys
    from pathlib import Path
    import numpy as np
    from mmnist.data import generate
    from mmnist.data.digits import DigitPools

    # Black in place of drawn: in the workers too, which import this file.
    generate.draw_texture = lambda seed, index: np.zeros((generate.TEXTURE_SIDE,) * 2, np.uint8)

    def show_workers(_):
        print(*[worker.pid for worker in multiprocessing.active_children()], flush=True)

    if __name__ == "__main__":
        images, labels = np.full((10, 28, 28), 255, np.uint8), np.arange(10, dtype=np.uint8)
        digits = DigitPools(images, labels, images, labels, "toy", "0")
        try:
            generate.make_dataset(Path(sys.argv[1]), train=20_000, test=1, seed=0, workers=2,
                                  digits=digits, labels="natural", progress=show_workers)
        except KeyboardInterrupt:
            print("interrupted")
"""


@pytest.mark.skipif(os.name == "nt", reason="process groups")
@pytest.mark.parametrize(
    ("send", "number", "code"),
    [
        ("killpg", signal.SIGINT, 0),  # as a terminal sends it
        ("kill", signal.SIGTERM, 143),
        ("killpg", signal.SIGTERM, 143),  # as batch systems send it
    ],
)
def test_a_signal_ends_the_workers_quietly(tmp_path, send, number, code):
    script = tmp_path / "script.py"
    script.write_text(textwrap.dedent(SCRIPT))
    store = tmp_path / "store"
    process = subprocess.Popen(
        [sys.executable, script, store],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    workers = [int(pid) for pid in process.stdout.readline().split()]
    assert len(workers) == 2
    getattr(os, send)(process.pid, number)
    out, err = process.communicate(timeout=60)
    assert ("interrupted" in out) == (number == signal.SIGINT)
    assert err == ""
    assert process.returncode == code
    assert list(tmp_path.iterdir()) == [script]
    for worker in workers:
        with pytest.raises(ProcessLookupError):
            os.kill(worker, 0)
