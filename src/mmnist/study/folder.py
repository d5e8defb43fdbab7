"""The folder of a study: where its files and its runs are.

runs/<study>/
  study/                   the study as it was run, which needs none of the original files
    experiments.yaml         the study file
    <configuration>.yaml     what it runs
    published/               the published numbers
    costs.json               what each configuration costs
  <configuration>/seed-<n>/  the runs (`mmnist.runs`)
  report/                  the page
"""

import re
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from filelock import FileLock

from mmnist.config.difference import PLACES
from mmnist.errors import InputError
from mmnist.finding import runs_in
from mmnist.runs import Run
from mmnist.study.schema import Study

#: Keys with command-line options of their own, and their short names in the folder's name.
_SHORT = {"train.epochs": "epochs", "data.split.train_images": "train-images"}


@dataclass(frozen=True)
class StudyFolder:
    """The folder of a study, which may not exist yet."""

    path: Path

    @property
    def saved(self) -> Path:
        """The folder of the study as it was run."""
        return self.path / "study"

    @property
    def file(self) -> Path:
        """The study file as it was run."""
        return self.saved / "experiments.yaml"

    @property
    def costs_file(self) -> Path:
        """The measured costs of the configurations."""
        return self.saved / "costs.json"

    @property
    def published(self) -> Path:
        """The folder of the published numbers."""
        return self.saved / "published"

    @property
    def report(self) -> Path:
        """The folder of the page."""
        return self.path / "report"

    @property
    def exists(self) -> bool:
        """Whether there is a study here."""
        with suppress(OSError):  # not allowed to look, or a name that is too long
            return self.file.is_file()
        return False

    @property
    def measuring_lock(self) -> FileLock:
        """The lock that a process holds while it measures costs."""
        return FileLock(self.saved / ".measuring.lock")

    def runs_of(self, name: str) -> list[Run]:
        """The runs of the configuration of this name, by seed."""
        return runs_in(self.path / name)


def changes_results(key: str) -> bool:
    """Whether a change of this key makes another study, with results of its own."""
    return not key.startswith("compute.") and key not in PLACES


def folder_of(study: Study, root: Path) -> StudyFolder:
    """The folder of a study within `root`: its name, with its changes appended.

    `paper` with train.epochs=10 becomes `paper-epochs-10`, so that a smaller copy never mixes with
    the full study. Changes to how it is computed (`compute.…`) and to where data and digits are do
    not count.
    """
    words = [study.name]
    for change in study.changes:
        key, _, value = change.partition("=")
        if changes_results(key):
            words.append(re.sub(r"[^A-Za-z0-9.+]+", "-", f"{_SHORT.get(key, key)}-{value}"))
    return StudyFolder(root / "-".join(words))


def find_study(argument: str, root: Path) -> StudyFolder:
    """The folder of a study, given as a folder or as its name within `root`.

    Raises:
        InputError: there is no study; the message lists those that exist.
    """
    for folder in (StudyFolder(Path(argument)), StudyFolder(root / argument)):
        if folder.exists:
            return folder
    found = sorted(path.name for path in root.glob("*") if StudyFolder(path).exists)
    known = f"studies in {root}: {', '.join(found)}" if found else f"there are none in {root} yet"
    raise InputError(f"{argument}: no study here; {known} (mmnist reproduce makes one)")
