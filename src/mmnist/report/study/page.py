"""The page of a study: a folder with the text, its tables and its figures."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import matplotlib
from matplotlib.figure import Figure

from mmnist.files import write_text
from mmnist.report.figures import STYLE, save_figure
from mmnist.report.markdown import render_markdown
from mmnist.report.study.accuracy import accuracy_table
from mmnist.report.study.claims import claim_table, single_tests_of, single_tests_table
from mmnist.report.study.content import StudyContent, build_content
from mmnist.report.study.costs import cost_table
from mmnist.report.study.figures import accuracy_figure, cost_figure, loss_figure
from mmnist.report.study.html import render_html
from mmnist.report.study.misclassified import Stores, draw_misclassified
from mmnist.report.study.per_class import per_class_table
from mmnist.report.study.runs import write_runs
from mmnist.report.study.setting import describe_setting, missing_runs
from mmnist.report.study.summary import line, render_head, render_summary
from mmnist.report.study.table import write_table
from mmnist.report.study.wording import best_variant, count, joined
from mmnist.report.table import Table
from mmnist.study.results import UNJUDGED, ComparisonResult, StudyResult
from mmnist.terminal import messages


@dataclass
class _Files:
    """Files written beside the page, by what they show."""

    folder: Path
    tables: dict[str, list[Path]] = field(default_factory=dict)
    figures: dict[str, Path] = field(default_factory=dict)
    without: dict[str, str] = field(default_factory=dict)
    """Experiment → why there is no picture of misclassified images."""

    @property
    def all(self) -> list[Path]:
        """Tables, then figures."""
        return [path for paths in self.tables.values() for path in paths] + list(
            self.figures.values()
        )


def write_study_page(result: StudyResult, folder: Path) -> list[Path]:
    """Write README.md, index.html, tables/ and figures/ into `folder`; return paths, page first.

    Raises:
        InputError: there is neither a finished run nor a published number.
        RunError: a file cannot be written.
    """
    content = build_content(result)
    files = _Files(folder)
    _write_tables(content, files)
    _write_figures(content, files)
    page = folder / "README.md"
    text = "\n\n".join(_render(content, files)) + "\n"
    write_text(page, text)
    html = folder / "index.html"
    write_text(html, render_html(text, result.loaded.study.title))
    return [page, html, *files.all]


def write_page(result: StudyResult, folder: Path | None = None) -> None:
    """Write the page of a study into `folder`, or else into its own, and print where it is.

    Raises: what `write_study_page` raises.
    """
    page, *rest = write_study_page(result, folder or result.folder.report)
    messages.print(f"wrote {page} and {len(rest)} files next to it", markup=False, soft_wrap=True)


def _write_tables(content: StudyContent, files: _Files) -> None:
    tables: dict[str, Table | None] = {
        "accuracy": accuracy_table(content, *content.result.comparisons)
    }
    if content.claims:
        tables |= {"claims": claim_table(content), "tests": single_tests_table(content)}
    tables["costs"] = cost_table(content)
    for comparison in content.result.comparisons:
        tables[f"per_class_{comparison.name}"] = per_class_table(content, comparison)
    for name, table in tables.items():
        if table is not None and table.rows:
            files.tables[name] = write_table(table, files.folder / "tables", name)
    if content.result.runs:
        note = " ".join(content.notes)
        for path in write_runs(content.result, files.folder / "tables", note):
            files.tables[path.stem] = [path]


def _write_figures(content: StudyContent, files: _Files) -> None:
    with matplotlib.rc_context(STYLE):
        _save(accuracy_figure(content), "accuracy", files)
        _save(cost_figure(content), "cost", files)
        for comparison in content.result.comparisons:
            _save(loss_figure(content, comparison), f"{comparison.name}_loss", files)
    stores = Stores()
    for comparison in content.result.comparisons:
        path = files.folder / "figures" / f"misclassified_{comparison.name}.png"
        why_not = draw_misclassified(content, comparison, stores, path)
        if why_not is None:
            files.figures[path.stem] = path
        elif comparison.ran and comparison.comparison.judged_on == "validation":
            files.without[comparison.name] = why_not


def _save(figure: Figure | None, name: str, files: _Files) -> None:
    if figure is not None:
        path = files.folder / "figures" / f"{name}.png"
        save_figure(figure, path)
        files.figures[name] = path


def _render(content: StudyContent, files: _Files) -> Iterator[str]:
    yield from render_head(content)
    yield from render_summary(content)
    if picture := _picture(files, "accuracy", "Accuracy of all variants"):
        yield picture
    yield from _render_setting(content, files)
    for comparison in content.result.comparisons:
        yield from _render_experiment(content, comparison, files)
    yield from _render_costs(content, files)
    yield from _render_end(content, files)


def _render_setting(content: StudyContent, files: _Files) -> Iterator[str]:
    yield "## What was run"
    if not content.result.runs:
        configs = {config.name for config in content.result.loaded.configs.values()}
        yield f"Nothing yet, of {count(len(configs), 'configuration')}."
        return
    yield "\n".join(f"- **{title}:** {line(text)}" for title, text in describe_setting(content))
    if missing := missing_runs(content.result):
        yield "Missing:"
        yield "\n".join(f"- {line(name)}: {line(reason)}" for name, reason in missing)
    for reason in dict.fromkeys(files.without.values()):
        names = joined(name for name, why_not in files.without.items() if why_not == reason)
        yield f"No pictures of misclassified images of {line(names)}: {line(reason)}."


def _render_experiment(
    content: StudyContent, comparison: ComparisonResult, files: _Files
) -> Iterator[str]:
    name = comparison.name
    yield f"## {line(name)}: {line(comparison.comparison.question)}"
    if comparison.comparison.answers:
        yield f"In the source: {line(comparison.comparison.answers.rstrip('. '))}."
    if not comparison.ran and content.result.runs:
        trained = any(variant.unjudged for variant in comparison.variants.values())
        why_not = f"judged ({UNJUDGED})" if trained else "finished"
        yield f"No run of this experiment is {why_not}."
    table = accuracy_table(content, comparison).without("experiment")
    if len(table.shown) > 1:
        yield _table(table)
    if picture := _picture(files, f"{name}_loss", f"Loss by epoch, experiment {name}"):
        yield picture
    if tests := single_tests_of(content, comparison):
        yield _table(tests)
    if links := _links(files, f"per_class_{name}"):
        yield f"Precision, recall and F1 by digit: {links}."
    title = f"misclassified_{name}"
    best = best_variant(comparison.variants.values())
    if best and (picture := _picture(files, title, f"Most confident errors, experiment {name}")):
        yield (
            f"The validation images that the best variant ({line(best.label)}) got most "
            "confidently wrong (label, what its seeds said together, and the mean of their "
            "probabilities for it):"
        )
        yield picture


def _render_costs(content: StudyContent, files: _Files) -> Iterator[str]:
    yield "## Costs"
    table = cost_table(content)
    if table is None:
        yield "No costs were measured."
        return
    yield _table(table)
    if picture := _picture(files, "cost", "Accuracy against the time of one training image"):
        yield picture


def _render_end(content: StudyContent, files: _Files) -> Iterator[str]:
    if notes := content.result.loaded.study.notes:
        yield "## Notes on the source"
        yield "\n".join(f"- {line(note)}" for note in notes)
    yield "## Files"
    lines = ["- [index.html](index.html): this page as HTML"]
    lines += [f"- tables/{name}: {_links(files, name)}" for name in files.tables]
    lines += [f"- figures: {', '.join(_link(files, path) for path in files.figures.values())}"]
    yield "\n".join(lines)


def _table(table: Table) -> str:
    return render_markdown(table).rstrip("\n")


def _picture(files: _Files, name: str, title: str) -> str | None:
    path = files.figures.get(name)
    if path is None:
        return None
    return f"![{line(title)}]({path.relative_to(files.folder).as_posix()})"


def _links(files: _Files, name: str) -> str:
    paths = files.tables.get(name, [])
    return ", ".join(
        f"[{path.suffix[1:]}]({path.relative_to(files.folder).as_posix()})" for path in paths
    )


def _link(files: _Files, path: Path) -> str:
    return f"[{line(path.name)}]({path.relative_to(files.folder).as_posix()})"
