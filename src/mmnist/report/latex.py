"""A report as LaTeX tables, for a paper."""

from collections.abc import Iterable, Sequence

from mmnist.evaluation.metrics import CLASSES
from mmnist.report.content import MARK, Report, describe_model, percent, percent_interval
from mmnist.report.entry import DATA, Entry

#: Runs side by side in one table, as in the paper's Figure 3.
RUNS_PER_TABLE = 4

_ESCAPES = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{character: f"\\{character}" for character in "&%$#_{}"},
    MARK: r"\textdagger{}",
    "±": r"$\pm$",
    "×": r"$\times$",
    "−": "$-$",
    "→": r"$\to$",
    "–": "--",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    "[": "{[}",  # otherwise read as the length of a preceding line break
    "*": "{*}",
    "…": r"\dots{}",
}


def render_latex(report: Report) -> str:
    """Per-class numbers as tables of at most four runs each, and one run's confusion matrix.

    The tables need the package booktabs.
    """
    tables = [
        _class_table(report, range(len(report.entries))[start : start + RUNS_PER_TABLE])
        for start in range(0, len(report.entries), RUNS_PER_TABLE)
    ]
    if len(report.entries) == 1:
        tables.append(_confusion_table(report.entries[0]))
    return "% needs \\usepackage{booktabs}\n" + "\n".join(tables)


def escape(text: str) -> str:
    """`text` escaped so that LaTeX prints it literally."""
    return "".join(_ESCAPES.get(character, character) for character in text)


def _class_table(report: Report, indices: Sequence[int]) -> str:
    entries = [report.entries[index] for index in indices]
    shared = report.same_images
    measures = ["precision", "recall", "f1", *([] if shared else ["support"])]
    span, before = len(measures), 2 if shared else 1
    starts = range(before + 1, before + 1 + span * len(entries), span)
    blank = ["", ""] if shared else [""]
    lines = [
        latex_line(blank + _across([entry.label for entry in entries], span)),
        "".join(f"\\cmidrule(lr){{{start}-{start + span - 1}}}" for start in starts),
        latex_line(["digit", *(["support"] if shared else []), *measures * len(entries)]),
        r"\midrule",
        *_class_lines(report, indices),
    ]
    for title, values in [
        ("accuracy", [percent(entry.metrics.accuracy) for entry in entries]),
        ("95 % interval", [percent_interval(entry.metrics.interval) for entry in entries]),
    ]:
        lines.append(latex_line([escape(title), *blank[1:], *_across(values, span)]))
    return latex_table(
        "l" + "r" * (before - 1 + span * len(entries)), lines, _caption(report, entries)
    )


def _class_lines(report: Report, indices: Sequence[int]) -> list[str]:
    lines = []
    for row in report.rows:
        cells = [row.title, *([row.marked_support(indices[0])] if report.same_images else [])]
        for index in indices:
            cells += row.cells[index]
            cells += [] if report.same_images else [row.marked_support(index)]
        lines.append(latex_line(map(escape, cells)))
        if row.title in ("9", "weighted"):
            lines.append(r"\midrule")
    return lines


def _confusion_table(entry: Entry) -> str:
    digits = range(CLASSES)
    lines = [latex_line(["label", *map(str, digits)]), r"\midrule"]
    lines += [latex_line(map(str, [label, *entry.metrics.confusion[label]])) for label in digits]
    caption = f"Confusion matrix of {entry.label}: validation images by label and prediction."
    return latex_table("l" + "r" * CLASSES, lines, caption)


def _caption(report: Report, entries: Sequence[Entry]) -> str:
    runs = [
        f"{entry.label}: {describe_model(entry.run.experiment)}; {DATA[entry.origin]}; "
        f"best epoch {entry.progress}."
        for entry in entries
    ]
    return " ".join(["Precision, recall and F1 on the validation images.", *runs, *report.notes])


def latex_table(columns: str, lines: Sequence[str], caption: str) -> str:
    """A table float; `columns` as tabular takes them, `lines` as `latex_line` makes them."""
    return "\n".join(
        [
            r"\begin{table}",
            r"\centering",
            f"\\caption{{{escape(caption)}}}",
            f"\\begin{{tabular}}{{{columns}}}",
            r"\toprule",
            *lines,
            r"\bottomrule",
            r"\end{tabular}",
            r"\end{table}",
            "",
        ]
    )


def latex_line(cells: Iterable[str]) -> str:
    """One row of a table; the cells are LaTeX already."""
    return " & ".join(cells) + r" \\"


def _across(texts: Sequence[str], columns: int) -> list[str]:
    return [f"\\multicolumn{{{columns}}}{{c}}{{{escape(text)}}}" for text in texts]
