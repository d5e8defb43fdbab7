"""`mmnist reproduce` and `mmnist report --study`, as a user runs them."""

import gc
import json
import re
from pathlib import Path

import pandas as pd
import pytest
from training.interruption import assert_same_result, interrupted_after

from mmnist.report import figures
from mmnist.report.study import page
from mmnist.runs import Run
from mmnist.terminal import console
from mmnist.training import measuring
from mmnist.training.cost import measure_cost

STUDY = """\
name: rates
title: Two rates
published: published
experiments:
  rate:
    question: Does the rate matter?
    variants:
      fast: {config: fast.yaml, label: fast}
      slow: slow.yaml
    claims:
      - {claim: Faster is better, kind: better, better: fast, than: slow}
  shared:
    question: The same run again
    variants: {fast: again.yaml}
"""
CONFIG = """\
data: {{path: {store}, split: {{fraction: 0.8}}}}
model: {{architecture: shufflenet_v2, size: 0.5}}
resize: 32
train: {{epochs: 4, batch_size: 16, learning_rate: 0.01, schedule: one_cycle}}
compute: {{device: cpu, precision: fp32}}
"""
STEPS_AN_EPOCH = 20
PUBLISHED = (
    "experiment,variant,best_valid_accuracy,valid_images,correct\n"
    "rate,fast,0.9,200,180\nrate,slow,0.1,200,20\n"
)


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    """Measure in this process, draw small figures, and leave garbage to Python: statsmodels
    collects it in each correction. test_cost measures in processes.
    """

    def measure_costs(experiments, done):
        for name, experiment in experiments.items():
            done(name, measure_cost(experiment))

    monkeypatch.setattr(measuring, "measure_costs", measure_costs)
    monkeypatch.setattr(figures, "DPI", 50)
    monkeypatch.setattr(gc, "collect", lambda: 0)


@pytest.fixture
def study(tmp_path, easy_store):
    (tmp_path / "published").mkdir()
    for name, text in {
        "fast.yaml": CONFIG.format(store=easy_store),
        "slow.yaml": "extends: fast.yaml\ntrain: {epochs: 1, learning_rate: 1e-6}\n",
        "again.yaml": "extends: fast.yaml\n",
        "published/accuracy.csv": PUBLISHED,
        "rates.yaml": STUDY,
    }.items():
        (tmp_path / name).write_text(text, encoding="utf-8")
    return tmp_path / "rates.yaml"


def test_a_study_from_its_file_to_its_page(study, mmnist, tmp_path, monkeypatch):
    monkeypatch.setattr(console, "width", 20)  # a narrow terminal cuts nothing off
    done = mmnist("reproduce", "--file", study.name, "--dry-run")
    assert done.returncode == 0, done.stderr
    assert "2 runs, about 0:" in done.stdout
    assert re.search("rate: fast, shared: fast +new +4 of 4 +320 +0:00:", done.stdout)
    assert not (tmp_path / "runs" / "rates" / "fast").exists()
    costs = json.loads((tmp_path / "runs" / "rates" / "study" / "costs.json").read_text("utf-8"))
    assert set(costs) == {"fast", "slow"}

    done = mmnist("reproduce", "--file", study.name, "--seeds", "2")
    assert done.returncode == 0, done.stderr
    assert "4 runs, about 0:" in done.stdout
    readme = tmp_path / "runs" / "rates" / "report" / "README.md"
    text = readme.read_text("utf-8")
    assert "# Two rates" in text
    assert "Faster is better" in text
    (claim,) = pd.read_csv(readme.parent / "tables" / "claims.csv").to_dict("records")
    assert (claim["own_verdict"], claim["published_verdict"]) == ("holds", "holds")
    before = (tmp_path / "runs" / "rates" / "fast" / "seed-0" / "metrics.csv").stat().st_mtime_ns

    again = mmnist("reproduce", "--file", study.name, "--seeds", "2")
    assert again.returncode == 0
    assert "about 0:00:00 to go" in again.stdout
    after = (tmp_path / "runs" / "rates" / "fast" / "seed-0" / "metrics.csv").stat().st_mtime_ns
    assert after == before

    readme.unlink()
    assert mmnist("report", "--study", "rates").returncode == 0
    assert readme.read_text("utf-8") == text
    assert mmnist("report", "--study", "runs/rates", "-o", "elsewhere").returncode == 0
    assert (tmp_path / "elsewhere" / "README.md").is_file()


def test_an_interrupted_study_goes_on_to_the_same_result(study, mmnist, tmp_path, monkeypatch):
    """Ctrl-C in the middle of a run, then the same command again."""
    monkeypatch.setattr(page, "write_study_page", lambda result, folder: [folder])  # slow
    options = ["--file", study, "--epochs", 2, "--only", "shared"]
    whole = mmnist("reproduce", *options, "--runs", "whole")
    assert whole.returncode == 0, whole.stderr
    with interrupted_after(STEPS_AN_EPOCH + 5):
        cut = mmnist("reproduce", *options, "--runs", "cut")
    assert cut.returncode == 130, cut.stderr
    assert "the same command continues" in cut.stderr
    assert "Traceback" not in cut.stderr
    folder = Path("rates-epochs-2") / "fast" / "seed-0"
    assert not Run(tmp_path / "cut" / folder).finished
    done = mmnist("reproduce", *options, "--runs", "cut")
    assert done.returncode == 0, done.stderr
    assert "resumed at epoch 2, batch 6" in done.stdout
    assert_same_result(Run(tmp_path / "whole" / folder), Run(tmp_path / "cut" / folder))


def test_a_time_limit_ends_with_its_own_code(study, mmnist):
    done = mmnist("reproduce", "--file", study.name, "--time-limit", "0.01")
    assert done.returncode == 3
    assert "out of time" in done.stderr
    assert "the same command continues from here" in done.stderr


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("better: fast", "better: faster"), "rates.yaml:11: "),
        (
            ("slow: slow.yaml", "slow: gone.yaml"),
            "has no configuration: there is no file gone.yaml",
        ),
        (("published: published", "published: nothing"), "there is no folder nothing"),
    ],
)
def test_bad_files_are_refused_with_their_place(study, mmnist, tmp_path, change, message):
    study.write_text(study.read_text("utf-8").replace(*change), "utf-8")
    done = mmnist("reproduce", "--file", study.name)
    assert done.returncode == 2
    assert message in done.stderr
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_digit_that_is_not_there_is_refused(study, mmnist):
    (study.parent / "published" / "per_class.csv").write_text(
        "experiment,variant,digit,precision,recall,f1\nrate,fast,10,1,1,1\n", "utf-8"
    )
    done = mmnist("reproduce", "--file", study.name)
    assert done.returncode == 2
    assert (
        "per_class.csv:2: digit: wanted a whole number from 0 to 9, got the number 10"
        in done.stderr
    )


def test_data_that_are_not_there_can_be_named(study, mmnist):
    done = mmnist("reproduce", "--file", study.name, "--set", "data.path=missing")
    assert done.returncode == 2
    assert "no data set at missing" in done.stderr
    assert "if it is elsewhere, add --set data.path=FOLDER" in done.stderr


def test_studies_that_are_not_there(study, mmnist):
    done = mmnist("report", "--study", "paper")
    assert done.returncode == 2
    assert "paper: no study here; there are none in runs yet" in done.stderr
    assert mmnist("reproduce").returncode == 2  # no configs/ in this folder
    done = mmnist("report", "x", "--study", "y")
    assert "leave x out" in done.stderr


def test_config_check_reads_studies_too(study, mmnist):
    assert "rates.yaml: ok" in mmnist("config", "check", study.name).stdout
    study.write_text(study.read_text("utf-8").replace("than: slow", "than: slw"), "utf-8")
    done = mmnist("config", "check", ".")
    assert done.returncode == 2
    assert "no variant 'slw'" in done.stderr
