"""The first part of the page: what it is about, the verdicts, and how they were reached."""

from collections import Counter
from collections.abc import Iterator

from mmnist.report.markdown import escape_markdown, render_markdown
from mmnist.report.study.claims import claim_table
from mmnist.report.study.content import StudyContent
from mmnist.report.study.wording import count
from mmnist.study.findings import LEVEL, Finding, Verdict
from mmnist.study.methods import Method


def render_head(content: StudyContent) -> Iterator[str]:
    """Title, caveats and source."""
    study = content.result.loaded.study
    yield f"# {line(study.title)}"
    if content.caveats:
        blocks = [f"> **{line(lead)}**{line(rest, strip=False)}" for lead, rest in content.caveats]
        yield "\n>\n".join(blocks)
    if study.source:
        yield f"Source: {line(study.source.rstrip('. '))}."


def render_summary(content: StudyContent) -> Iterator[str]:
    """How many claims hold, the table of verdicts, and how they were made."""
    yield "## Summary"
    if not content.claims:
        yield "The study makes no claim, so there is no verdict; its numbers follow."
        return
    yield "\n".join(_counts(content))
    table = claim_table(content)
    if not any(judgement.claim.where for _, judgement in content.claims):
        table = table.without("where")
    yield render_markdown(table.without("experiment")).rstrip("\n")
    yield " ".join(_method(content))


def line(text: str, *, strip: bool = True) -> str:
    """`text` on one line, escaped so that Markdown shows it literally."""
    words = " ".join(text.split())
    if not strip and text.startswith(" "):
        words = f" {words}"
    return escape_markdown(words)


def _counts(content: StudyContent) -> Iterator[str]:
    own = [judgement.own for _, judgement in content.claims]
    total = count(len(own), "claim")
    if content.has_own:
        title = "Own runs" if content.result.runs else "Own measurements of cost"
        yield f"- **{title}**, {total}: {_verdicts(own)}."
    if content.has_published:
        published = [judgement.published for _, judgement in content.claims]
        yield f"- **Published numbers** by themselves, {total}: {_verdicts(published)}."


def _verdicts(findings: list[Finding]) -> str:
    found = Counter(finding.verdict for finding in findings)
    words = {
        Verdict.HOLDS: "hold" if found[Verdict.HOLDS] != 1 else "holds",
        Verdict.FAILS: "do not hold" if found[Verdict.FAILS] != 1 else "does not hold",
        Verdict.UNKNOWN: "cannot be told",
    }
    text = ", ".join(f"{found[verdict]} {words[verdict]}" for verdict in Verdict)
    unknown = [finding for finding in findings if finding.verdict is Verdict.UNKNOWN]
    missing = sum(bool(finding.not_run) for finding in unknown)
    return text + (f" ({missing} for want of runs)" if missing else "")


def _method(content: StudyContent) -> Iterator[str]:
    """How verdicts are made, as far as it matters to this study."""
    methods = {
        test.method
        for _, judgement in content.claims
        for finding in (judgement.own, judgement.published)
        for test in finding.tests
    }
    yield (
        f"How verdicts are made: a difference counts if p is below {100 * LEVEL:g} % after Holm's "
        "correction over all tests of an experiment. A claim of several tests holds if each of "
        "them shows it, and does not hold if any shows the opposite."
    )
    yield from (each.explanation for each in Method if each in methods and each.explanation)
    if any(len(variant.runs) == 1 for variant in content.result.variants):
        yield "A single seed says nothing of the spread between seeds."
    if any(each.comparison.judged_on == "validation" for each in content.result.comparisons):
        yield (
            "Accuracies on validation images are those of the best epoch, which the same images "
            "chose; that flatters every variant alike, and is no test."
        )
