"""Every configuration in configs/: it loads, and it is what the authors ran."""

import csv
import re
from pathlib import Path

import pytest

from mmnist.config.augmentation import PAPER_AUGMENTATION
from mmnist.config.loading import dump_experiment, load_experiment, load_with_origins

ROOT = Path(__file__).resolve().parents[2]
STUDY = "experiments.yaml"  # tests/study has those
CONFIGS = sorted(path for path in (ROOT / "configs").rglob("*.yaml") if path.name != STUDY)
PAPER = [path for path in CONFIGS if path.parent.name == "paper"]

#: architecture, size, pretrained, resize, augmented, epochs, batch size, share that trains
RUNS = {
    "architecture_mobilenet_v2": ("mobilenet_v2", 1.0, "none", 128, True, 30, 128, 0.99),
    "architecture_shufflenet_v2": ("shufflenet_v2", 1.0, "none", 128, True, 30, 128, 0.99),
    "architecture_wide_resnet50": ("wide_resnet", 50, "none", 128, True, 30, 128, 0.99),
    "architecture_resnet101": ("resnet", 101, "none", 128, True, 30, 128, 0.99),
    "size_resnet18": ("resnet", 18, "none", 128, False, 25, 256, 0.9),
    "size_resnet50": ("resnet", 50, "none", 128, False, 25, 128, 0.9),
    "size_resnet101": ("resnet", 101, "none", 128, False, 25, 128, 0.9),
    "augmentation_none": ("resnet", 18, "none", 128, False, 30, 256, 0.9),
    "augmentation_paper": ("resnet", 18, "none", 128, True, 30, 256, 0.9),
    "resize_64": ("resnet", 18, "none", 64, True, 30, 256, 0.9),
    "resize_128": ("resnet", 18, "none", 128, True, 30, 256, 0.9),
    "resize_256": ("resnet", 18, "none", 256, True, 30, 256, 0.9),
    "pretraining_imagenet": ("resnet", 18, "imagenet", 128, True, 30, 256, 0.9),
    "pretraining_none": ("resnet", 18, "none", 128, True, 30, 256, 0.9),
    "benchmark_simple_cnn": ("simple_cnn", None, "none", 128, False, 30, 256, 0.9),
    "optimal_unfinished": ("wide_resnet", 50, "imagenet", 256, True, 30, 32, 0.9),
    "future_unfreezing_plain": ("resnet", 18, "imagenet", 128, True, 30, 256, 0.9),
    "future_unfreezing_gradual": ("resnet", 18, "imagenet", 128, True, 30, 256, 0.9),
}


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_it_loads_and_its_dump_gives_the_same(path: Path, tmp_path: Path) -> None:
    loaded = load_with_origins(path)
    assert loaded.experiment.name == path.stem
    dumped = tmp_path / "config.yaml"
    dumped.write_text(dump_experiment(loaded.experiment), encoding="utf-8")
    assert load_experiment(dumped) == loaded.experiment


@pytest.mark.parametrize("path", CONFIGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_its_header_gives_schema_and_command(path: Path) -> None:
    first, second = path.read_text(encoding="utf-8").splitlines()[:2]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found is not None
    assert (path.parent / found[1]).resolve() == ROOT / "configs" / "schema.json"
    if path.name != "base.yaml":
        assert second == f"# mmnist train {path.relative_to(ROOT).as_posix()}"


def test_every_run_of_the_paper_is_there() -> None:
    assert {path.stem for path in PAPER} == set(RUNS)


@pytest.mark.parametrize("path", PAPER, ids=lambda path: path.stem)
def test_it_has_the_authors_settings(path: Path) -> None:
    run = load_experiment(path)
    assert RUNS[path.stem] == (
        run.model.architecture,
        run.model.size,
        run.model.pretrained,
        run.resize,
        run.augmentation == PAPER_AUGMENTATION,
        run.train.epochs,
        run.train.batch_size,
        run.data.split.fraction,
    )
    assert run.augment in ("none", "paper")
    assert run.data.split.method == "ordered"
    assert run.normalisation == "unit"
    assert (run.train.optimiser, run.train.learning_rate) == ("adam", 1e-3)
    schedule = run.train.schedule
    assert (schedule.name, schedule.step_size, schedule.gamma) == ("step", 7, 0.1)
    assert run.train.weight_decay == 0
    assert run.train.label_smoothing == 0
    assert run.train.gradient_accumulation == (4 if path.stem == "optimal_unfinished" else 1)
    gradual = path.stem == "future_unfreezing_gradual"
    assert run.train.unfreezing.mode == ("gradual" if gradual else "none")


def test_the_submission_is_the_wide_resnet_of_the_architecture_experiment() -> None:
    submission = load_experiment(ROOT / "configs" / "wrn50.yaml")
    run = load_experiment(ROOT / "configs" / "paper" / "architecture_wide_resnet50.yaml")
    assert submission == run.model_copy(update={"name": "wrn50"})


@pytest.mark.parametrize("same", ["resize_128", "pretraining_none"])
def test_runs_that_the_paper_shows_more_than_once(same: str) -> None:
    run = load_experiment(ROOT / "configs" / "paper" / "augmentation_paper.yaml")
    other = load_experiment(ROOT / "configs" / "paper" / f"{same}.yaml")
    assert other == run.model_copy(update={"name": same})


def test_headers_give_the_papers_numbers() -> None:
    table = ROOT / "configs" / "paper" / "published" / "accuracy.csv"
    with table.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 14
    for row in rows:
        name = f"{row['experiment']}_{row['variant']}.yaml"
        header = (ROOT / "configs" / "paper" / name).read_text(encoding="utf-8")
        images, correct = int(row["valid_images"]), int(row["correct"])
        words = f"{100 * correct / images:.2f} % of {images:,} validation images"
        assert f"# Paper: {words} ({correct:,} right" in header, name
