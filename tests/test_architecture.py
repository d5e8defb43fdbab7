"""The floors of the house: imports run downward, start-up is light, names are documented."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "mmnist"

#: Each room with the rooms below that it may stand on.
LEAVES = {"defaults", "errors", "machine", "processes", "task", "terminal", "torchvision_import"}
BASE = LEAVES | {"files"}
FLOORS: dict[str, set[str]] = {
    **{leaf: set() for leaf in LEAVES},
    "files": {"errors"},
    "config": BASE,
    "data": BASE | {"config"},
    "records": BASE | {"config"},
    "runs": BASE | {"config", "records"},
    "finding": BASE | {"runs"},
    "models": BASE | {"config"},
    "pipeline": BASE | {"config", "data", "models"},
    "evaluation": BASE | {"config", "data", "models", "pipeline", "records", "runs"},
    "study": BASE
    | {"config", "data", "records", "runs", "finding"}
    | {"evaluation.metrics", "evaluation.compare"},
    "training": BASE
    | {"config", "data", "models", "pipeline", "records", "runs", "evaluation", "study"},
    "report": BASE
    | {"config", "data", "records", "runs", "study"}
    | {"evaluation.metrics", "evaluation.compare"},
    "doctor": BASE | {"config", "data", "models", "pipeline"},
    "cli": BASE
    | {"config", "data", "runs", "finding", "pipeline", "evaluation", "study", "training"}
    | {"report", "doctor"},
    "__main__": {"cli"},
    "": set(),
}
MODULES = sorted(SOURCE.rglob("*.py"))


def module_name(path: Path) -> str:
    parts = path.relative_to(SOURCE).with_suffix("").parts
    return ".".join(part for part in parts if part != "__init__")


def imports_of(path: Path) -> set[str]:
    """All modules that a file imports, within functions too."""
    names = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_imports_run_downward(path):
    name = module_name(path)
    room = name.split(".")[0]
    allowed = {room, *FLOORS[room], "__version__"}
    for imported in imports_of(path):
        if imported == "mmnist" or not imported.startswith("mmnist."):
            continue
        target = imported.removeprefix("mmnist.")
        assert any(target == each or target.startswith(each + ".") for each in allowed), (
            f"{name} imports {imported}"
        )


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_only_pipeline_and_training_import_fastai(path):
    uses = any(name.split(".")[0] in ("fastai", "fastcore") for name in imports_of(path))
    assert not uses or module_name(path).split(".")[0] in ("pipeline", "training")


#: What must not be loaded once these modules are, from light to heavy; in one process, which takes
#: as long as the last of them.
LIGHT = {
    "mmnist.cli": "torch fastai torchvision numpy pandas scipy sklearn matplotlib pydantic",
    "mmnist.config.loading": "torch fastai numpy pandas",
    "mmnist.runs, mmnist.data.store, mmnist.data.generate": "torch fastai",
    "mmnist.data.competition, mmnist.data.image_files, mmnist.data.digits": "torch fastai",
    "mmnist.report.report, mmnist.report.figures, mmnist.report.grid": (
        "torch fastai matplotlib.pyplot"
    ),
    "mmnist.evaluation.metrics, mmnist.evaluation.compare": "torch fastai",
    "mmnist.study.costs, mmnist.evaluation.labelling": "torch fastai",
}


def test_light_parts_do_not_load_heavy_libraries():
    lines = ["import sys"]
    for modules, unwanted in LIGHT.items():
        found = f"[name for name in {unwanted.split()} if name in sys.modules]"
        lines += [f"import {modules}", f"if found := {found}: sys.exit('{modules}: ' + str(found))"]
    done = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


#: The most lines of a function without its signature and docstring.
SCREEN = 40


def body_lines(function: ast.FunctionDef) -> int:
    """Lines from the first statement, which is not the docstring, to the end of the last."""
    statements = function.body[ast.get_docstring(function) is not None :]
    return statements[-1].end_lineno - statements[0].lineno + 1 if statements else 0


def test_only_the_body_of_a_function_is_counted():
    text = '@each\ndef f(\n    x,\n):\n    """Two\n    lines."""\n    if x:\n        return 1\n'
    assert body_lines(ast.parse(text).body[0]) == 2
    assert body_lines(ast.parse('def f():\n    """One line."""').body[0]) == 0


@pytest.mark.parametrize("path", MODULES, ids=module_name)
def test_files_and_functions_fit(path):
    text = path.read_text(encoding="utf-8")
    assert len(text.splitlines()) <= 350
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.FunctionDef):
            name = f"{module_name(path)}.{node.name}"
            assert body_lines(node) <= SCREEN, f"{name} is too long"
