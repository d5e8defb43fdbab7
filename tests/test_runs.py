"""The run folder: what is written is read again."""

from pathlib import Path

import numpy as np
import pytest
from fake_runs import begin_runs, epoch_row, experiment, write_run

from mmnist.errors import InputError
from mmnist.runs import Run


@pytest.fixture
def root(tmp_path):
    return begin_runs(tmp_path)


def test_experiment_comes_back(root):
    run = Run(root / "a" / "seed-2")
    assert run.experiment == experiment("a", 2)
    assert run.title == "a/seed-2"
    assert not run.finished


@pytest.mark.parametrize(
    ("path", "command"),
    [
        ("runs/a/seed-0", "mmnist train runs/a/seed-0/config.yaml --resume"),
        (
            "my runs/a/seed-0",
            "mmnist train 'my runs/a/seed-0/config.yaml' --resume --runs 'my runs'",
        ),
        ("/x/a/seed-0", "mmnist train /x/a/seed-0/config.yaml --resume --runs /x"),
        ("a/seed-0", "mmnist train a/seed-0/config.yaml --resume --runs ."),
        ("seed-0", "mmnist train seed-0/config.yaml --resume --runs {up}"),
        ("../a/seed-0", "mmnist train ../a/seed-0/config.yaml --resume --runs {up}"),
    ],
)
def test_the_command_that_resumes_a_run_finds_it(tmp_path, monkeypatch, path, command):
    monkeypatch.chdir(tmp_path)
    assert Run(Path(path)).resume_command == command.format(up=tmp_path.parent)


def test_metrics_come_back_exactly(root):
    run = Run(root / "b" / "seed-0")
    rows = [epoch_row(0, valid_loss=0.1 + 0.2), epoch_row(1, valid_loss=1 / 3)]
    run.write_metrics(rows)
    assert run.metrics.to_dict("records") == rows


def test_predictions_come_back(root):
    run = Run(root / "b" / "seed-0")
    arrays = (
        np.arange(5),
        np.arange(5) % 3,
        np.random.default_rng(0).random((5, 10), dtype=np.float32),
    )
    run.write_predictions("valid", *arrays)
    for before, after in zip(arrays, run.predictions("valid"), strict=True):
        np.testing.assert_array_equal(before, after)
        assert before.dtype == after.dtype


@pytest.mark.parametrize(
    ("name", "content", "read", "message"),
    [
        ("summary.json", None, lambda run: run.summary, "summary.json is missing"),
        ("summary.json", "{", lambda run: run.summary, r"summary\.json is damaged"),
        ("summary.json", "[]", lambda run: run.summary, r"summary\.json is damaged"),
        ("metrics.csv", None, lambda run: run.metrics, "no finished epoch yet"),
        ("metrics.csv", "", lambda run: run.metrics, r"metrics\.csv is damaged"),
        ("valid_predictions.npz", None, lambda run: run.predictions("valid"), "no finished epoch"),
        ("valid_predictions.npz", "x", lambda run: run.predictions("valid"), "is damaged"),
        ("config.yaml", "nonsense: 1", lambda run: run.experiment, "config.yaml:1: nonsense"),
    ],
)
def test_missing_and_damaged_files_are_named(root, name, content, read, message):
    run = Run(root / "b" / "seed-0")
    (run.path / name).unlink(missing_ok=True)
    if content is not None:
        (run.path / name).write_text(content)
    with pytest.raises(InputError, match=message):
        read(run)


DAMAGE = {
    "empty": (lambda text: "", "No columns"),
    "header alone": (lambda text: text.splitlines()[0], "holds numbers"),
    "cut at a line's end": (
        lambda text: "\n".join(text.splitlines()[:3]),
        "2 of 3 epochs",
    ),
    "cut in a line": (lambda text: text[: text.rindex("0.9,")], "finite valid_accuracy, seconds"),
    "no column": (lambda text: text.replace("valid_loss", "loss"), "no column valid_loss that"),
    "a word": (lambda text: text.replace("0.6", "low", 1), "no column valid_loss that holds"),
    "an empty cell": (
        lambda text: text.replace("0.6", "", 1),
        "not every epoch has a finite valid_l",
    ),
    "infinite": (
        lambda text: text.replace("0.6", "inf", 1),
        "not every epoch has a finite valid_l",
    ),
}


@pytest.mark.parametrize("finished", [True, False])
@pytest.mark.parametrize("name", DAMAGE)
def test_damaged_metrics_are_refused(root, name, finished):
    change, message = DAMAGE[name]
    rows = [epoch_row(epoch) for epoch in range(3)]
    run = write_run(experiment("c"), root, rows=rows, finished=finished)
    run.metrics_file.write_text(change(run.metrics_file.read_text()))
    with pytest.raises(InputError, match=rf"metrics\.csv is damaged: .*{message}"):
        _ = run.metrics


def test_metrics_may_be_ahead_of_the_summary_which_is_written_after_them(root):
    run = write_run(experiment("c"), root, finished=False)
    run.write_metrics([epoch_row(0), epoch_row(1)])
    assert len(run.metrics) == 2
    (run.path / "summary.json").unlink()
    assert len(Run(run.path).metrics) == 2


def test_a_finished_run_that_has_lost_its_metrics_is_not_told_to_go_on(root):
    run = write_run(experiment("c"), root)
    run.metrics_file.unlink()
    assert run.has_epoch
    with pytest.raises(InputError, match=r"is incomplete; delete .* \(metrics\.csv is missing\)"):
        _ = run.metrics


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"probabilities": np.zeros((3, 10), np.float32)}, r"index must be integer \[3\]"),
        ({"probabilities": np.zeros((5, 7), np.float32)}, r"floating \[5, 10\], not .* \[5, 7\]"),
        ({"probabilities": np.zeros((5, 10), int)}, "probabilities must be floating"),
        ({"probabilities": np.full((5, 10), np.nan)}, "must be finite"),
        ({"probabilities": np.float32(1)}, "unsized"),
        ({"label": np.arange(4)}, r"label must be integer \[5\]"),
        ({"label": np.arange(5) + 6}, "labels must be 0 to 9"),
        ({"label": np.zeros(5)}, "label must be integer"),
        ({"index": np.zeros((5, 1), int)}, "index must be integer"),
        (
            {"index": np.arange(0), "label": np.arange(0), "probabilities": np.zeros((0, 10))},
            "no image",
        ),
    ],
)
def test_predictions_that_do_not_fit_each_other_are_refused(root, change, message):
    run = Run(root / "b" / "seed-0")
    arrays = {"index": np.arange(5), "label": np.arange(5), "probabilities": np.zeros((5, 10))}
    run.write_predictions("test", **{**arrays, **change})
    with pytest.raises(InputError, match=rf"test_predictions\.npz is damaged: .*{message}"):
        run.predictions("test")


def test_predictions_with_a_changed_byte_are_read_or_refused(root):
    run = Run(root / "b" / "seed-0")
    rng = np.random.default_rng(0)
    run.write_predictions("valid", np.arange(50), np.arange(50) % 10, rng.random((50, 10)))
    path = run.path / "valid_predictions.npz"
    whole = path.read_bytes()
    refused = 0
    for place in rng.integers(0, len(whole), 300):
        path.write_bytes(whole[:place] + bytes([whole[place] ^ 85]) + whole[place + 1 :])
        try:
            run.predictions("valid")
        except InputError:
            refused += 1
    assert refused > 100


def test_a_run_can_be_held_again_by_its_holder(root):
    run = Run(root / "b" / "seed-0")
    with run.held(), run.held():
        pass
    with run.held():
        pass


def test_summary_with_nan_is_refused(root):
    run = write_run(experiment("c"), root)
    nan = run.summary.model_copy(update={"peak_memory_mib": float("nan")})
    with pytest.raises(ValueError, match="not JSON compliant"):
        run.write_summary(nan)
