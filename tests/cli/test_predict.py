"""`mmnist predict` as a user runs it; the CSV is checked by itself."""

import json
import shutil

import numpy as np
import pandas as pd
import pytest
from conftest import easy_images

from mmnist.runs import Run


@pytest.fixture
def run(tiny_run, tmp_path) -> Run:
    path = tmp_path / "runs" / "tiny" / "seed-0"
    shutil.copytree(tiny_run.path, path)
    return Run(path)


def test_submission_for_the_test_images(mmnist_process, run, tmp_path):
    done = mmnist_process("predict", "tiny", "--probabilities", "p.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(run.submission_file)
    assert list(table) == ["Id", "Label"]
    assert table["Id"].tolist() == list(range(60))
    expected = np.arange(60) % 10  # the labels of the easy test images
    accuracy = (table["Label"] == expected).mean()
    assert accuracy >= 0.9
    assert f"{accuracy:.2%}" in done.stdout
    assert "95 % interval" in done.stdout
    assert "generated test images" in done.stdout
    probabilities = pd.read_csv(tmp_path / "p.csv", index_col="Id").to_numpy()
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-4)
    np.testing.assert_array_equal(probabilities.argmax(1), table["Label"])


@pytest.mark.parametrize("kind", ["pickle", "folder"])  # tests/data/test_image_files has all
def test_images_of_the_users_own(mmnist, run, tmp_path, kind):
    labels = np.array([3, 1, 4, 1, 5, 9, 2, 6, 5, 3, 5])
    images = easy_images(labels, seed=5)
    path = tmp_path / f"images.{kind}"
    if kind == "pickle":
        pd.to_pickle(images.astype(np.float32), path)
    else:
        from PIL import Image

        path.mkdir()
        for i, image in enumerate(images):
            Image.fromarray(image).save(path / f"{i}.png")  # 10 comes after 9, not after 1
    done = mmnist("predict", "tiny", "--input", path, "--output", "labels.csv")
    assert done.returncode == 0, done.stderr
    table = pd.read_csv(tmp_path / "labels.csv")
    assert (table["Label"].to_numpy() == labels).sum() >= 9
    assert "accuracy" not in done.stdout
    if kind == "folder":
        assert table["File"].tolist() == [f"{i}.png" for i in range(len(labels))]
    else:
        assert list(table) == ["Id", "Label"]


def test_several_runs_average_their_probabilities(mmnist, run, tiny, tmp_path):
    from mmnist.training.train import train

    train(tiny(seed=1, train={"epochs": 1}), tmp_path / "runs")
    for name in ("seed-0", "seed-1"):
        done = mmnist("predict", f"runs/tiny/{name}", "--probabilities", f"{name}.npy")
        assert done.returncode == 0, done.stderr
    done = mmnist("predict", "tiny", "--probabilities", "both.npy")
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "runs" / "tiny" / "submission.csv").is_file()
    one, other, both = (np.load(tmp_path / f"{n}.npy") for n in ("seed-0", "seed-1", "both"))
    assert not np.allclose(one, other)
    np.testing.assert_allclose(both, (one + other) / 2, atol=1e-6)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nowhere"], "nowhere: no run here; runs in runs: tiny"),
        (["tiny", "--input", "missing.npy", "--output", "x.csv"], "missing.npy"),
        (["tiny", "--input", "wrong.npy", "--output", "x.csv"], "wrong.npy"),
        (["tiny", "--input", "text.npy", "--output", "x.csv"], "text.npy"),
        (["tiny", "--input", "evil.pickle", "--output", "x.csv"], "refused to load"),
        (
            ["tiny", "--input", "wrong.npy"],
            "the labels of wrong.npy have no usual place: name the CSV with --output",
        ),
        (["tiny", "--input", "wrong.npy", "--data", "runs"], "--input and --data both say"),
        (["tiny", "--data", "runs"], "no data set at runs"),
        (["tiny", "--probabilities", "p.xlsx"], "must end in .csv or .npy"),
        (["tiny", "--device", "tpu"], "'tpu' is not one of 'auto', 'cpu', 'cuda'"),
        (["tiny", "--readings", "r.txt"], "r.txt: the name of a file of readings must end in .csv"),
        (["tiny", "--readings", "r.csv"], "does not tell where digits are"),
        (
            ["tiny", "weightless", "--readings", "r.csv"],
            "needs a single run, not tiny/seed-0, tiny",
        ),
        (["tiny", "--output", "x.csv", "--probabilities", "./x.csv"], "must be different files"),
        (["weightless"], "has no weights yet"),
        (
            ["tiny", "weightless", "--output", "x.csv"],
            "error: runs/weightless/seed-0 has no weights",
        ),
    ],
)
def test_bad_input(mmnist, run, tmp_path, arguments, message):
    np.save(tmp_path / "wrong.npy", np.zeros((3, 28, 28), np.uint8))
    (tmp_path / "text.npy").write_text("no array")
    (tmp_path / "evil.pickle").write_bytes(b"cos\nsystem\n(S'touch ran'\ntR.")
    weightless = tmp_path / "runs" / "weightless" / "seed-0"
    weightless.mkdir(parents=True)
    for name in ("config.yaml", "environment.json"):
        shutil.copy(run.path / name, weightless)
    done = mmnist("predict", *arguments)
    assert done.returncode == 2, done.stderr
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "x.csv").exists()
    assert not (tmp_path / "ran").exists()


def test_other_data_than_the_run_was_trained_on_is_warned_of(mmnist, run):
    data = run.environment.data.model_copy(update={"fingerprint": "0" * 64})
    run.write_environment(run.environment.model_copy(update={"data": data}))
    done = mmnist("predict", "tiny")
    assert done.returncode == 0
    assert "warning" in done.stderr
    assert "was not trained on the data" in done.stderr


@pytest.mark.parametrize(
    ("same_digits", "test_digits"), [(True, "new"), (True, "all"), (False, "new")]
)
def test_the_test_images_of_another_data_set(
    mmnist, run, easy_store, tmp_path, same_digits, test_digits
):
    """Told digits of others, or training digits, they warn; the run's submission is left alone."""
    other = shutil.copytree(easy_store, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text())
    manifest["source"] |= {"digits_sha256": "0" * 64, "test_digits": test_digits}
    (other / "manifest.json").write_text(json.dumps(manifest))
    source = {
        **run.environment.data.source,
        "digits_sha256": "0" * 64 if same_digits else "1" * 64,
    }
    data = run.environment.data.model_copy(update={"source": source})
    run.write_environment(run.environment.model_copy(update={"data": data}))
    done = mmnist("predict", "tiny", "--data", "other")
    assert done.returncode == 0, done.stderr
    assert "accuracy on the 60 generated test images" in done.stdout
    warns = not same_digits or test_digits == "all"
    assert ("may have been trained on" in done.stderr) is warns
    assert not run.submission_file.exists()
    done = mmnist("predict", "tiny", "--data", "other", "--output", "labels.csv")
    assert done.returncode == 0, done.stderr
    assert len(pd.read_csv(tmp_path / "labels.csv")) == 60


def test_own_test_images_that_show_training_digits(mmnist, run, easy_store, tmp_path):
    own = shutil.copytree(easy_store, tmp_path / "own")
    config = run.config_file.read_text()
    assert str(easy_store) in config
    run.config_file.write_text(config.replace(str(easy_store), str(own)))
    file = own / "manifest.json"
    manifest = json.loads(file.read_text())
    before = mmnist("predict", "tiny")
    assert "may have been trained on" not in before.stderr
    manifest["source"]["test_digits"] = "all"
    file.write_text(json.dumps(manifest))
    done = mmnist("predict", "tiny")
    assert done.returncode == 0, done.stderr
    assert "shows digits that" in done.stderr
    assert "may have been trained on" in done.stderr


def test_labels_that_nobody_knows_want_a_file(mmnist, run, easy_store, tmp_path):
    other = shutil.copytree(easy_store, tmp_path / "other")
    manifest = json.loads((other / "manifest.json").read_text())
    for name in ("test_labels", "test_digits"):
        manifest["arrays"].pop(name, None)
    (other / "manifest.json").write_text(json.dumps(manifest))
    done = mmnist("predict", "tiny", "--data", "other")
    assert done.returncode == 2
    assert "the labels of other are not known" in done.stderr
    assert mmnist("predict", "tiny", "--data", "other", "--output", "x.csv").returncode == 0
    assert len(pd.read_csv(tmp_path / "x.csv")) == 60


def test_a_missing_data_set_is_not_to_be_made_anew(mmnist, run):
    text = run.config_file.read_text().replace("path: ", "path: elsewhere")
    run.config_file.write_text(text)
    done = mmnist("predict", "tiny")
    assert done.returncode == 2
    assert "relative to the working directory" in done.stderr
    assert "or choose the images to label with --input or --data" in done.stderr


def test_damaged_weights_are_named(mmnist, run):
    run.model_file.write_bytes(b"damaged")
    done = mmnist("predict", "tiny")
    assert done.returncode == 2
    assert "model.safetensors is damaged" in done.stderr


def test_weights_of_another_network_are_refused(mmnist, run):
    text = run.config_file.read_text().replace("size: 0.5", "size: 1.0")
    run.config_file.write_text(text)
    done = mmnist("predict", "tiny")
    assert done.returncode == 2
    assert "does not fit" in done.stderr
