"""What the page of a study is made from."""

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from mmnist.defaults import RUNS
from mmnist.errors import InputError
from mmnist.study.folder import changes_results
from mmnist.study.results import ComparisonResult, StudyResult, VariantResult
from mmnist.study.verdicts import Judgement, judge


class Caveat(NamedTuple):
    """What a reader must know before any number; shown with every table and figure."""

    lead: str
    """Its first words, in bold on the page."""
    rest: str

    def __str__(self) -> str:
        return self.lead + self.rest


@dataclass(frozen=True)
class StudyContent:
    """A study's results with the verdicts on its claims."""

    result: StudyResult
    judgements: Mapping[str, Sequence[Judgement]]
    """By experiment."""
    caveats: tuple[Caveat, ...]

    @property
    def has_published(self) -> bool:
        """Whether there is any published number."""
        return bool(self.result.loaded.published)

    @property
    def has_own(self) -> bool:
        """Whether there are own results: a finished run, or a measured cost."""
        return bool(self.result.runs) or any(variant.cost for variant in self.result.variants)

    @property
    def notes(self) -> tuple[str, ...]:
        """The caveats as plain text, for tables and figures."""
        return tuple(map(str, self.caveats))

    @property
    def claims(self) -> list[tuple[ComparisonResult, Judgement]]:
        """All claims that are judged, each with its experiment."""
        return [
            (comparison, judgement)
            for comparison in self.result.comparisons
            for judgement in self.judgements[comparison.name]
        ]


def build_content(result: StudyResult) -> StudyContent:
    """Judge the claims of a study.

    Raises:
        InputError: no run is judged, and there are no published numbers either.
    """
    if reason := why_empty(result):
        raise InputError(reason + _hint(result))
    judgements = {comparison.name: judge(comparison) for comparison in result.comparisons}
    return StudyContent(result, judgements, tuple(_caveats(result)))


def why_empty(result: StudyResult) -> str:
    """Why there is nothing to report; empty if there is something."""
    if result.loaded.published or any(variant.runs for variant in result.variants):
        return ""
    study = f"{result.loaded.study.name} in {result.folder.path}"
    if result.runs:
        return (
            f"the runs of {study} are finished, but judged on test images, which are not predicted "
            "or have no labels: there is nothing to report beside any submission.csv of the runs"
        )
    return f"no run of {study} is finished yet, so there is nothing to report"


def seeds_of(variant: VariantResult) -> list[int]:
    """Seeds of the variant's finished runs."""
    return [run.seed for run in variant.runs]


def interval_of(variant: VariantResult) -> tuple[float, float] | None:
    """95 % interval of the accuracy; None without a run.

    It is a t interval over the seeds or, for a single seed, Wilson's over the images.
    """
    if variant.spread is None:
        return None
    return variant.spread.interval if len(variant.runs) > 1 else variant.metrics[0].interval


def judged_part(comparison: ComparisonResult) -> str:
    """The images that the experiment is judged on: `validation` or `test`."""
    return comparison.comparison.judged_on


def _hint(result: StudyResult) -> str:
    """How to go on; empty if all test images are predicted."""
    if result.runs and all(run.submission_file.is_file() for run in result.runs):
        return ""
    return f"; {'predict' if result.runs else 'train'} them with: {_command(result)}"


def _command(result: StudyResult) -> str:
    folder = result.folder
    if not folder.exists:
        return "mmnist reproduce"
    runs = folder.path.parent
    root = [] if runs == RUNS else ["--runs", str(runs)]
    return shlex.join(["mmnist", "reproduce", "--file", str(folder.file), *root])


def _caveats(result: StudyResult) -> list[Caveat]:
    study = result.loaded.study
    caveats = []
    if not result.runs:
        caveats.append(Caveat("Published numbers alone.", " No run of one's own is finished yet."))
    if study.smaller:
        caveats.append(Caveat("A smaller copy.", " " + _sentence(study.smaller)))
    # How it was computed, and on which data, is in the page's section "What was run".
    changes = [change for change in study.changes if changes_results(change.partition("=")[0])]
    if changes:
        caveats.append(Caveat("Changed in all configurations:", f" {', '.join(changes)}."))
    origins = {run.environment.data.generated for run in result.runs}
    if True in origins:
        where = "" if origins == {True} else " (some of the runs)"
        caveats.append(Caveat("Generated data", f"{where}, not the competition's."))
    return caveats


def _sentence(text: str) -> str:
    text = " ".join(text.split())
    return text if text.endswith((".", "!", "?")) else text + "."
