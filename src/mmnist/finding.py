"""Which runs are meant: a run folder, a folder of several seeds, or a name."""

from collections.abc import Sequence
from pathlib import Path

from mmnist.defaults import RUNS
from mmnist.errors import InputError
from mmnist.runs import Run


def find_runs(arguments: Sequence[str], root: Path = RUNS) -> list[Run]:
    """The runs that the arguments name, in their order, each once.

    An argument is a run folder, a folder of runs (all its seeds), or a name within `root`.

    Raises:
        InputError: an argument names no run; the message lists those that exist.
    """
    found: dict[Path, Run] = {}
    for argument in arguments:
        runs = runs_in(Path(argument)) or runs_in(root / argument)
        if not runs:
            raise InputError(f"{argument}: no run here; {_available(root)}")
        for run in runs:
            found.setdefault(run.path.resolve(), run)
    return list(found.values())


def find_run(argument: str, root: Path = RUNS) -> Run:
    """The only run that the argument names.

    Raises:
        InputError: it names none, or several.
    """
    runs = find_runs([argument], root)
    if len(runs) > 1:
        raise InputError(
            f"{argument} stands for several runs; take one: "
            f"{', '.join(str(run.path) for run in runs)}"
        )
    return runs[0]


def runs_in(folder: Path) -> list[Run]:
    """The runs in a folder: the folder itself if it is a run, else its seeds in order."""
    if Run(folder).exists:
        return [Run(folder)]
    seeds = [path for path in folder.glob("seed-*") if path.name[5:].isdigit()]
    return [
        Run(path) for path in sorted(seeds, key=lambda path: int(path.name[5:])) if Run(path).exists
    ]


def _available(root: Path) -> str:
    """Which runs exist, those of a study as `study/name`, and how to report a whole study."""
    depths = ("*/seed-*/config.yaml", "*/*/seed-*/config.yaml")
    folders = {path.parents[1].relative_to(root) for depth in depths for path in root.glob(depth)}
    if not folders:
        return f"there are no runs in {root} yet"
    text = f"runs in {root}: {', '.join(sorted(folder.as_posix() for folder in folders))}"
    if studies := sorted({folder.parts[0] for folder in folders if len(folder.parts) > 1}):
        text += f"; for a whole study: mmnist report --study {' or '.join(studies)}"
    return text
