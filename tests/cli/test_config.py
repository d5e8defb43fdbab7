import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml

from mmnist.cli import run

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Result:
    code: int
    stdout: str
    stderr: str


Run = Callable[..., Result]


@pytest.fixture
def mmnist(folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> Run:
    """Runs `mmnist config` in this process, which is faster than in one of its own."""

    def mmnist(*arguments: str, cwd: Path = folder) -> Result:
        monkeypatch.chdir(cwd)
        code = run(["config", *arguments])
        return Result(code, *capfd.readouterr())

    return mmnist


def in_a_process(*arguments: str, cwd: Path) -> Result:
    command = [sys.executable, "-m", "mmnist", "config", *arguments]
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, check=False)
    return Result(done.returncode, done.stdout, done.stderr)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "base.yaml").write_text("model:\n  size: 18\n", encoding="utf-8")
    (tmp_path / "good.yaml").write_text("extends: base.yaml\nseed: 3\n", encoding="utf-8")
    (tmp_path / "bad").mkdir()
    (tmp_path / "bad" / "one.yaml").write_text(
        "extends: ../base.yaml\nsed: 3\ntrain: {epochs: on}\n", encoding="utf-8"
    )
    (tmp_path / "bad" / "two.yaml").write_text("seed: 1\nseed: 2\n", encoding="utf-8")
    return tmp_path


def test_show_prints_a_configuration_with_origins(mmnist: Run, folder: Path) -> None:
    result = mmnist("show", "good.yaml", "--set", "train.learning_rate=1e-5")
    assert (result.code, result.stderr) == (0, "")
    lines = [line.split("# ") for line in result.stdout.splitlines()]
    origins = {line[0].strip(): line[1] for line in lines if len(line) == 2}
    assert origins["seed: 3"] == "good.yaml:2"
    assert origins["size: 18"] == "base.yaml:2"
    assert origins["learning_rate: 1.0e-05"] == "--set train.learning_rate=1e-5"
    assert origins["epochs: 30"] == "default"
    assert yaml.safe_load(result.stdout)["train"]["learning_rate"] == 1e-5
    (folder / "again.yaml").write_text(result.stdout, encoding="utf-8")
    again = mmnist("show", "again.yaml")
    assert yaml.safe_load(again.stdout) == yaml.safe_load(result.stdout)


@pytest.mark.parametrize(
    ("arguments", "parts"),
    [
        (["good.yml"], ["good.yml: no such file", "did you mean 'good.yaml'?"]),
        (["bad"], ["bad: is a folder"]),
        (["good.yaml", "--set", "epochs"], ["--set epochs: wanted key=value"]),
        (["good.yaml", "--set", "epoch=3"], ["epoch: unknown key", "'train.epochs'"]),
        (
            ["bad/one.yaml"],
            ["bad/one.yaml:2: sed: unknown", "bad/one.yaml:3: train.epochs: wanted"],
        ),
        ([], ["CONFIG"]),
    ],
)
def test_show_refuses_what_it_cannot_read(
    mmnist: Run, arguments: list[str], parts: list[str]
) -> None:
    result = mmnist("show", *arguments)
    assert (result.code, result.stdout) == (2, "")
    assert all(part in result.stderr for part in parts), result.stderr
    assert "Traceback" not in result.stderr


def test_check_names_every_good_file(mmnist: Run) -> None:
    result = mmnist("check", "good.yaml", "base.yaml")
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == "good.yaml: ok\nbase.yaml: ok\n"


def test_check_shows_all_errors_of_all_files(mmnist: Run) -> None:
    result = mmnist("check", "missing.yaml", ".")
    assert result.code == 2
    assert result.stdout == "base.yaml: ok\ngood.yaml: ok\n"
    assert [line.partition("; ")[0] for line in result.stderr.splitlines()] == [
        "missing.yaml: no such file",
        "bad/one.yaml:2: sed: unknown key",
        "bad/one.yaml:3: train.epochs: wanted a whole number of at least 0, got the text 'on'",
        "bad/two.yaml: model: is missing",
        "bad/two.yaml:2: seed: repeated key",
        "error: 3 of 5 configurations cannot be used",
    ]


def test_check_refuses_a_folder_without_configurations(mmnist: Run, folder: Path) -> None:
    (folder / "empty").mkdir()
    result = mmnist("check", "empty")
    assert (result.code, result.stdout) == (2, "")
    assert "empty: no configuration (*.yaml) in this folder" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "committed"),
    [([], "configs/schema.json"), (["--format", "markdown"], "docs/configuration.md")],
)
def test_schema_prints_what_is_committed(
    mmnist: Run, folder: Path, arguments: list[str], committed: str
) -> None:
    text = (ROOT / committed).read_text(encoding="utf-8")
    result = mmnist("schema", *arguments)
    assert (result.code, result.stderr) == (0, "")
    assert result.stdout == text
    written = mmnist("schema", *arguments, "--output", "new/file")
    assert (written.code, written.stdout) == (0, "")
    assert (folder / "new" / "file").read_text(encoding="utf-8") == text


def test_schema_is_json(mmnist: Run) -> None:
    properties = json.loads(mmnist("schema").stdout)["properties"]
    assert {"extends", "model", "train"} < set(properties)


def test_schema_says_why_it_cannot_write(mmnist: Run) -> None:
    result = mmnist("schema", "--output", "good.yaml/x.json")
    assert result.code == 1
    assert "cannot write good.yaml/x.json" in result.stderr
    assert "Traceback" not in result.stderr


def test_schema_refuses_an_unknown_format(mmnist: Run) -> None:
    result = mmnist("schema", "--format", "yaml")
    assert result.code == 2
    assert "json" in result.stderr
    assert "markdown" in result.stderr


@pytest.mark.parametrize(
    ("arguments", "code", "stdout", "stderr"),
    [
        (["show", "good.yaml"], 0, "seed: 3", ""),
        (["check", "good.yaml", "bad"], 2, "good.yaml: ok\n", "bad/two.yaml:2: seed: repeated key"),
    ],
)
def test_in_a_process_of_its_own(
    folder: Path, arguments: list[str], code: int, stdout: str, stderr: str
) -> None:
    result = in_a_process(*arguments, cwd=folder)
    assert result.code == code
    assert (stdout in result.stdout) if stdout else (result.stdout == "")
    assert (stderr in result.stderr) if stderr else (result.stderr == "")


def test_it_starts_without_heavy_libraries(folder: Path) -> None:
    code = (
        "import sys; from mmnist.cli import run; run(['config', 'check', 'good.yaml']); "
        "print({'torch', 'fastai', 'numpy', 'pandas', 'matplotlib'} & set(sys.modules))"
    )
    command = [sys.executable, "-c", code]
    result = subprocess.run(command, cwd=folder, capture_output=True, text=True, check=False)
    assert result.stdout == "good.yaml: ok\nset()\n", result.stderr
