"""Real training on an easy task: it learns, writes its folder, repeats and resumes to the bit."""

import fcntl
import json
import os
import shutil
import signal
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from conftest import write_easy_store
from safetensors.torch import load_file
from training.interruption import assert_same_result, interrupted_after

from mmnist import machine
from mmnist.config.loading import load_experiment
from mmnist.errors import InputError, Interrupted, InUse, RunError
from mmnist.runs import Run, run_of
from mmnist.torchvision_import import torchvision
from mmnist.training import checkpoint, recorder
from mmnist.training import train as train_module
from mmnist.training.state import Best
from mmnist.training.train import train


def test_learns_the_easy_task(tiny_run):
    # Chance is 10 %. A loop that does not learn, or validates on other labels, stays near it.
    assert tiny_run.summary.valid.accuracy >= 0.9
    assert tiny_run.metrics["train_loss"].iloc[-1] < tiny_run.metrics["train_loss"].iloc[0] / 2


def test_run_folder_is_complete(tiny_run):
    assert tiny_run.finished
    names = {path.name for path in tiny_run.path.iterdir()}
    assert names >= {
        "config.yaml",
        "environment.json",
        "metrics.csv",
        "summary.json",
        "valid_predictions.npz",
        "model.safetensors",
        "train.log",
    }
    assert not any(name.startswith(".") for name in names), "a temporary file was left"
    assert len(tiny_run.metrics) == 4
    assert list(tiny_run.metrics.columns[:6]) == [
        "epoch",
        "train_loss",
        "train_accuracy",
        "valid_loss",
        "valid_accuracy",
        "learning_rate",
    ]
    environment = tiny_run.environment
    assert environment.packages["torch"] == torch.__version__
    assert environment.data.generated is True
    assert len(environment.data.fingerprint) == 64


def test_summary_agrees_with_the_predictions(tiny_run):
    index, labels, probabilities = tiny_run.predictions("valid")
    valid = tiny_run.summary.valid
    assert len(index) == len(set(index.tolist())) == tiny_run.summary.valid_images == 40
    np.testing.assert_array_equal(labels, index % 10)  # the labels of the easy data set
    np.testing.assert_allclose(probabilities.sum(1), 1, atol=1e-5)
    assert valid.accuracy == (probabilities.argmax(1) == labels).mean()
    expected = -np.log(probabilities[np.arange(len(labels)), labels]).mean()
    assert valid.loss == pytest.approx(expected, rel=1e-4)


def test_best_epoch_has_the_highest_accuracy_then_the_lowest_loss(tiny_run):
    ranked = tiny_run.metrics.sort_values(["valid_accuracy", "valid_loss"], ascending=[False, True])
    assert tiny_run.summary.best_epoch == ranked["epoch"].iloc[0]


def test_weights_load_into_plain_torchvision_and_predict_the_same(tiny_run):
    model = torchvision.models.shufflenet_v2_x0_5(num_classes=10).eval()
    model.load_state_dict(load_file(tiny_run.model_file))
    from mmnist.data.store import open_store

    index, _, probabilities = tiny_run.predictions("valid")
    images = open_store(tiny_run.experiment.data.path).images("train")[index]
    x = torch.from_numpy(images).unsqueeze(1).float() / 256
    x = torch.nn.functional.interpolate(x, (32, 32), mode="bilinear", antialias=True)
    with torch.inference_mode():
        ours = model(x.expand(-1, 3, -1, -1)).softmax(1)
    np.testing.assert_allclose(ours.numpy(), probabilities, atol=1e-4)


def test_resolved_config_gives_the_same_run_again(tiny_run, tmp_path):
    again = train(load_experiment(tiny_run.config_file), tmp_path)
    assert_same_result(tiny_run, again)


def test_another_seed_gives_another_run_on_the_same_validation_images(tiny, tiny_run, tmp_path):
    other = train(tiny(seed=1, train={"epochs": 1}), tmp_path)
    assert not np.allclose(tiny_run.metrics["train_loss"][0], other.metrics["train_loss"][0])
    np.testing.assert_array_equal(tiny_run.predictions("valid")[0], other.predictions("valid")[0])


EVERYTHING = {
    "data": {"split": {"train_images": 100}},
    "augment": "paper",
    "model": {"architecture": "mobilenet_v2", "size": 1.0},  # has dropout
    "train": {"epochs": 2, "ema": 0.9, "gradient_accumulation": 2, "gradient_clip": 1.0},
    "compute": {"precision": "bf16", "workers": 2},
}
MUON = {
    "data": {"split": {"train_images": 100}},
    "train": {"epochs": 2, "optimiser": "muon"},
}
STEPS_AN_EPOCH, STEPS_OF_100_IMAGES = 23, 7


@pytest.mark.parametrize(
    ("changes", "batches"),
    [
        ({}, 1),
        ({}, STEPS_AN_EPOCH),  # trained, not validated
        ({}, STEPS_AN_EPOCH + 5),
        (EVERYTHING, STEPS_OF_100_IMAGES + 5),
        (MUON, STEPS_OF_100_IMAGES + 5),
    ],
)
def test_an_interrupted_run_resumes_to_the_same_result(tiny, tiny_run, tmp_path, changes, batches):
    experiment = tiny(**changes)
    whole = train(experiment, tmp_path / "whole") if changes else tiny_run
    with interrupted_after(batches), pytest.raises(Interrupted, match="--resume"):
        train(experiment, tmp_path / "parts")
    part = Run(tmp_path / "parts" / "tiny" / "seed-0")
    assert part.checkpoint_file.is_file()
    assert not (part.path / "summary.json").is_file() or not part.finished
    resumed = train(experiment, tmp_path / "parts", resume=True)
    assert_same_result(whole, resumed)
    assert not resumed.checkpoint_file.exists()


def test_the_peak_of_memory_is_that_of_the_run(tiny, tmp_path):
    if not Path("/proc/self/clear_refs").exists():
        pytest.skip("can be reset on Linux only")
    block = torch.ones(600 * 2**20 // 4)
    before = machine.peak_memory_mib()
    del block
    run = train(tiny(train={"epochs": 1}), tmp_path)
    assert 100 < run.summary.peak_memory_mib < before - 300


def test_resume_of_a_finished_run_leaves_it_alone(tiny, tiny_run, tmp_path):
    shutil.copytree(tiny_run.path.parents[1], tmp_path, dirs_exist_ok=True)
    copy = Run(tmp_path / "tiny" / "seed-0")
    before = {path.name: path.stat().st_mtime_ns for path in copy.path.iterdir()}
    assert train(tiny(), tmp_path, resume=True).path == copy.path
    assert before == {path.name: path.stat().st_mtime_ns for path in copy.path.iterdir()}


def test_an_existing_run_is_not_overwritten(tiny, tiny_run):
    with pytest.raises(InputError, match=r"already holds a run \(finished\).*--resume.*--force"):
        train(tiny(), tiny_run.path.parents[1])


def test_resuming_with_another_configuration_names_the_difference(tiny, tiny_run):
    with pytest.raises(InputError, match="another configuration; different: resize, train"):
        train(tiny(resize=64, train={"epochs": 9}), tiny_run.path.parents[1], resume=True)


def test_resuming_on_other_data_is_refused(tiny, tmp_path):
    data = write_easy_store(tmp_path / "data", seed=1)
    experiment = tiny(data={"path": str(data)}, train={"epochs": 1})
    run = train(experiment, tmp_path)
    run.write_summary(run.summary.model_copy(update={"status": "training"}))
    run.checkpoint_file.touch()
    shutil.rmtree(data)
    write_easy_store(data, seed=2)
    with pytest.raises(InputError, match=r"started on other data.*fingerprint"):
        train(experiment, tmp_path, resume=True)


def test_a_finished_run_of_other_data_is_not_taken_for_this_one(tiny, tmp_path):
    made = {n: {"path": str(write_easy_store(tmp_path / n, seed=len(n)))} for n in ("a", "bb")}
    train(tiny(data=made["a"], train={"epochs": 1}), tmp_path)
    with pytest.raises(InputError, match="started on other data"):
        train(tiny(data=made["bb"], train={"epochs": 1}), tmp_path, resume=True)
    shutil.copytree(tmp_path / "a", tmp_path / "copy")
    copied = {"path": str(tmp_path / "copy")}
    assert train(tiny(data=copied, train={"epochs": 1}), tmp_path, resume=True).finished


def test_a_damaged_checkpoint_is_refused(tiny, tmp_path):
    run = train(tiny(train={"epochs": 1}), tmp_path)
    run.write_summary(run.summary.model_copy(update={"status": "training"}))
    run.checkpoint_file.write_bytes(b"not a checkpoint")
    with pytest.raises(InputError, match=r"cannot resume from .*checkpoint\.pt"):
        train(tiny(train={"epochs": 1}), tmp_path, resume=True)


def test_an_error_within_a_batch_changes_nothing_that_is_trained_later(tiny, tmp_path, monkeypatch):
    experiment = tiny(train={"epochs": 1}, compute={"precision": "bf16"})
    clean = train(experiment, tmp_path / "clean")
    real = torchvision.models.ShuffleNetV2.forward

    def forward(self, images):
        real(self, images)  # so far that weights were turned into bf16
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB.")

    with monkeypatch.context() as patch:
        patch.setattr(torchvision.models.ShuffleNetV2, "forward", forward)
        with pytest.raises(RunError, match="does not fit into the memory"):
            train(experiment, tmp_path / "too_large")
    assert not torch.is_autocast_enabled("cpu")
    later = train(experiment, tmp_path / "later")
    assert later.model_file.read_bytes() == clean.model_file.read_bytes()


@pytest.mark.parametrize("moment", ["checkpoint", "best files", "summary"])
@pytest.mark.parametrize("epoch", [0, 1])
def test_a_run_that_is_cut_off_while_it_saves_resumes_to_the_same_result(
    tiny, tmp_path, monkeypatch, moment, epoch
):
    experiment = tiny(train={"epochs": 2})
    whole = train(experiment, tmp_path / "whole")
    module, name = {
        "checkpoint": (recorder, "save_checkpoint"),
        "best files": (Run, "keep_best"),
        "summary": (train_module, "_summarise"),
    }[moment]
    real, calls = getattr(module, name), []

    def cut_off(*arguments):
        calls.append(name)
        # Before the first epoch the folder is tidied up, too.
        if len(calls) == epoch + 1 + (moment == "best files"):
            raise RunError("cut off")
        return real(*arguments)

    with monkeypatch.context() as patch:
        patch.setattr(module, name, cut_off)
        with pytest.raises(RunError, match="cut off"):
            train(experiment, tmp_path / "cut")
    cut = train(experiment, tmp_path / "cut", resume=True)
    assert_same_result(whole, cut)
    assert cut.finished
    assert not list(cut.path.glob(".*"))


def test_files_of_a_best_epoch_that_was_undone_are_not_kept(tiny, tmp_path, monkeypatch):
    # On CUDA an epoch that is trained again may come out otherwise.
    experiment = tiny(train={"epochs": 3})
    saved = []

    def save_checkpoint(path, learner, state):
        saved.append(state.epoch)
        if state.epoch == 2:
            raise RunError("no space")
        checkpoint.save_checkpoint(path, learner, state)

    with monkeypatch.context() as patch:
        patch.setattr(recorder, "save_checkpoint", save_checkpoint)
        patch.setattr(Best, "beaten_by", lambda *_: True)
        with pytest.raises(RunError, match="no space"):
            train(experiment, tmp_path)
    assert saved == [1, 2]
    monkeypatch.setattr(Best, "beaten_by", lambda *_: False)
    run = train(experiment, tmp_path, resume=True)
    assert run.summary.best_epoch == 0
    _, labels, probabilities = run.predictions("valid")
    assert run.summary.valid.correct == (probabilities.argmax(1) == labels).sum()
    first = train(tiny(name="first", train={"epochs": 3, "early_stopping": 1}), tmp_path)
    assert first.summary.best_epoch == 0
    np.testing.assert_array_equal(first.predictions("valid")[2], probabilities)


def test_a_run_that_another_process_holds_is_left_to_it(tiny, tmp_path):
    experiment = tiny(train={"epochs": 1})
    run = run_of(experiment, tmp_path)
    run.path.parent.mkdir()
    with (run.path.parent / ".seed-0.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(InUse, match=r"another process is working on .*seed-0"):
            train(experiment, tmp_path, overwrite=True)
        assert not run.path.exists()
    assert train(experiment, tmp_path).finished


def test_a_run_that_another_process_finished_meanwhile_is_left_as_it_is(
    tiny, tiny_run, tmp_path, monkeypatch
):
    experiment, real = tiny(), train_module.set_up

    def set_up(*arguments, **options):
        shutil.copytree(tiny_run.path.parents[1], tmp_path, dirs_exist_ok=True)
        return real(*arguments, **options)

    monkeypatch.setattr(train_module, "set_up", set_up)
    with pytest.raises(InputError, match="already holds a run"):
        train(experiment, tmp_path)
    shutil.rmtree(tmp_path / "tiny")
    run = train(experiment, tmp_path, resume=True)
    assert run.log_file.read_bytes() == tiny_run.log_file.read_bytes()


@pytest.mark.parametrize("had_checkpoint", [True, False])
def test_a_run_that_another_process_got_on_with_meanwhile_is_left_to_it(
    tiny, tmp_path, monkeypatch, had_checkpoint
):
    experiment, real = tiny(train={"epochs": 1}), train_module.set_up
    with interrupted_after(1), pytest.raises(Interrupted):
        train(experiment, tmp_path)
    run = run_of(experiment, tmp_path)
    later = run.checkpoint_file.read_bytes()
    if not had_checkpoint:
        run.checkpoint_file.unlink()

    def set_up(*arguments, **options):
        ready = real(*arguments, **options)
        run.checkpoint_file.unlink(missing_ok=True)
        run.checkpoint_file.write_bytes(later)
        return ready

    with monkeypatch.context() as patch:
        patch.setattr(train_module, "set_up", set_up)
        with pytest.raises(InUse, match="another process has continued"):
            train(experiment, tmp_path, resume=True)
    assert run.checkpoint_file.read_bytes() == later
    assert train(experiment, tmp_path, resume=True).finished


def test_ctrl_c_after_the_last_step_ends_the_command_once_the_run_is_finished(
    tiny, tmp_path, monkeypatch
):
    def summarise(*arguments):
        os.kill(os.getpid(), signal.SIGINT)
        real(*arguments)

    real = train_module._summarise
    monkeypatch.setattr(train_module, "_summarise", summarise)
    experiment = tiny(train={"epochs": 1})
    with pytest.raises(Interrupted, match="is finished; to continue with what comes after it"):
        train(experiment, tmp_path)
    assert run_of(experiment, tmp_path).finished


def test_a_resumed_run_tells_where_it_went_on_and_is_tidy(tiny, tmp_path):
    experiment = tiny(train={"epochs": 1})
    with interrupted_after(1), pytest.raises(Interrupted):
        train(experiment, tmp_path)
    run = run_of(experiment, tmp_path)
    begun = run.environment
    (run.path / ".checkpoint-123.pt").touch()  # a process was killed while it wrote it
    train(experiment, tmp_path, resume=True)
    assert not list(run.path.glob(".*"))
    told = Run(run.path).environment.model_dump()
    (place,) = told.pop("resumed")
    assert told == begun.model_dump(exclude={"resumed"})
    assert place == {key: told[key] for key in told if key not in ("data", "pretraining")}


def test_a_run_of_which_only_the_validation_is_left(tiny, tmp_path, monkeypatch):
    experiment = tiny(train={"epochs": 1})
    for peak, context in ((5000.0, interrupted_after(STEPS_AN_EPOCH)), (10.0, nullcontext())):
        for module in (recorder, train_module):
            monkeypatch.setattr(module, "peak_memory_mib", lambda _, peak=peak: peak)
        with context, suppress(Interrupted):
            train(experiment, tmp_path, resume=True)
    run = run_of(experiment, tmp_path)
    assert "resumed at epoch 1, its validation\n" in run.log_file.read_text("utf-8")
    assert run.summary.peak_memory_mib == 5000, "the training's, which another process did"


def test_a_run_resumes_where_its_data_are_now(tiny, tmp_path):
    data = tmp_path / "data"
    shutil.copytree(tiny().data.path, data)
    begun = tiny(data={"path": str(data)}, train={"epochs": 1})
    with interrupted_after(1), pytest.raises(Interrupted):
        train(begun, tmp_path)
    moved = tmp_path / "moved"
    data.rename(moved)
    now = tiny(data={"path": str(moved)}, train={"epochs": 1}, compute={"workers": 1})
    run = train(now, tmp_path, resume=True)
    assert run.finished
    kept = Run(run.path).experiment
    assert kept.data.path == str(moved)
    assert kept.compute == begun.compute


def test_a_loss_that_explodes_is_a_clear_failure(tiny, tmp_path):
    explosive = tiny(train={"optimiser": "sgd", "learning_rate": 1e30, "schedule": "constant"})
    with pytest.raises(RunError, match=r"no longer finite.*learning_rate"):
        train(explosive, tmp_path)


def test_a_validation_loss_that_explodes_leaves_no_best_epoch(tiny, tmp_path):
    # One step an epoch: the training loss is still that of the initial weights.
    settings = {"batch_size": 512, "optimiser": "sgd", "learning_rate": 1e30}
    explosive = tiny(train={**settings, "schedule": "constant"})
    with pytest.raises(RunError, match="validation loss of epoch 1 is no longer finite"):
        train(explosive, tmp_path)
    assert not list(tmp_path.glob("*/*/model.safetensors"))


@pytest.mark.parametrize("overwrite", [False, True])
def test_an_impossible_experiment_leaves_everything_as_it_was(tiny, tiny_run, tmp_path, overwrite):
    if overwrite:
        shutil.copytree(tiny_run.path.parents[1], tmp_path, dirs_exist_ok=True)
    before = sorted(tmp_path.rglob("*"))
    impossible = tiny(
        model={"architecture": "shufflenet_v2", "size": 0.5, "pretrained": "missing.pth"}
    )
    with pytest.raises(InputError, match=r"missing\.pth"):
        train(impossible, tmp_path, overwrite=overwrite)
    assert sorted(tmp_path.rglob("*")) == before


def test_force_replaces_a_run(tiny, tiny_run, tmp_path):
    shutil.copytree(tiny_run.path.parents[1], tmp_path, dirs_exist_ok=True)
    (tmp_path / "tiny" / "seed-0" / "submission.csv").touch()
    run = train(tiny(train={"epochs": 1}), tmp_path, overwrite=True)
    assert len(run.metrics) == 1
    assert not run.submission_file.exists()


def test_a_folder_that_cannot_be_made_is_a_clear_failure(tiny, tmp_path):
    (tmp_path / "tiny").touch()
    with pytest.raises(RunError, match="cannot make the run folder"):
        train(tiny(train={"epochs": 1}), tmp_path)


def test_early_stopping_ends_a_run_that_gets_no_better(tiny, tmp_path):
    stuck = tiny(
        train={
            "epochs": 50,
            "learning_rate": 1e-30,
            "momentum": 0.0,
            "optimiser": "sgd",
            "schedule": "constant",
            "early_stopping": 2,
        }
    )
    run = train(stuck, tmp_path)
    assert run.finished
    assert len(run.metrics) == run.summary.best_epoch + 1 + 2 < 50


def test_pretrained_weights_are_where_training_starts(tiny, tiny_run, tmp_path):
    path = str(tiny_run.model_file)
    follow_up = tiny(
        name="follow",
        model={"architecture": "shufflenet_v2", "size": 0.5, "pretrained": path},
        train={"epochs": 1, "learning_rate": 1e-6},
    )
    run = train(follow_up, tmp_path)
    assert run.summary.valid.accuracy >= 0.9
    assert "initial weights from" in run.log_file.read_text(encoding="utf-8")


def test_log_is_plain_text_with_a_line_an_epoch(tiny_run):
    lines = tiny_run.log_file.read_text(encoding="utf-8").splitlines()
    assert "352,042 parameters" in lines[0]
    epochs = [line for line in lines if line.startswith("epoch")]
    assert len(epochs) == 4
    assert all("valid loss" in line and "img/s" in line for line in epochs)
    assert not any("\x1b" in line for line in lines)


def test_summary_is_valid_json_without_nan(tiny_run):
    text = (tiny_run.path / "summary.json").read_text(encoding="utf-8")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    json.loads(text, parse_constant=refuse)


def test_deterministic_operations_suffice(tiny, tmp_path):
    try:
        run = train(tiny(train={"epochs": 1}, compute={"deterministic": True}), tmp_path)
        assert torch.are_deterministic_algorithms_enabled()
    finally:
        torch.use_deterministic_algorithms(False)
    assert run.finished


@pytest.mark.slow
def test_a_compiled_network_keeps_plain_names_and_learns(tiny, tmp_path):
    run = train(tiny(compute={"compile": True}), tmp_path)
    assert not any("_orig_mod" in name for name in load_file(run.model_file))
    assert run.summary.valid.accuracy >= 0.9


@pytest.mark.slow
def test_the_same_to_the_bit_in_bf16_on_two_threads(tiny, tmp_path):
    threads = torch.get_num_threads()
    experiment = tiny(
        model={"architecture": "resnet", "size": 18},
        resize=64,
        augment="paper",
        train={"epochs": 2},
        compute={"precision": "bf16"},
    )
    try:
        torch.set_num_threads(2)
        one, other = (train(experiment, tmp_path / name) for name in ("one", "other"))
    finally:
        torch.set_num_threads(threads)
    assert_same_result(one, other)
