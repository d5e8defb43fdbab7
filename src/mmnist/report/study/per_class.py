"""Tables of precision, recall and F1 by digit."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from mmnist.evaluation.metrics import SMALL_CLASS
from mmnist.report.content import MARK, marked
from mmnist.report.study.content import StudyContent
from mmnist.report.study.wording import count
from mmnist.report.table import Column, Table
from mmnist.study.results import ComparisonResult, VariantResult
from mmnist.task import CLASSES

_MEASURES = {"precision": "precision", "recall": "recall", "f1": "F1"}


def _share(value: float) -> str:
    return f"{value:.3f}"


def _support(images: int) -> str:
    return marked(images, images < SMALL_CLASS)


_COLUMNS = (
    Column("", ("variant",)),
    Column("variant", ("label",), left=True, width=3.5),
    Column("digit", ("digit",)),
    *(
        column
        for key, name in _MEASURES.items()
        for column in (
            Column(f"{name}, published", (f"published_{key}",), _share),
            Column(f"{name}, own", (key,), _share),
        )
    ),
    Column("images, own", ("support",), _support),
    Column("", ("seeds",)),
)


def per_class_table(content: StudyContent, comparison: ComparisonResult) -> Table | None:
    """Precision, recall and F1 by digit for each variant, published beside own ones.

    With several seeds, the mean over them. None if there are no numbers by digit.
    """
    rows = [row for variant in comparison.variants.values() for row in _rows(variant)]
    if not rows:
        return None
    notes = tuple(_notes(comparison, rows))
    title = f"Precision, recall and F1 by digit: experiment {comparison.name}"
    return Table(title, _COLUMNS, tuple(rows), notes, content.notes, group="variant")


def _rows(variant: VariantResult) -> Iterator[dict[str, Any]]:
    if not variant.runs and variant.published_per_class is None:
        return
    for digit in range(CLASSES):
        row: dict[str, Any] = {"variant": variant.name, "label": variant.label, "digit": digit}
        yield row | _published(variant, digit) | _own(variant, digit)


def _published(variant: VariantResult, digit: int) -> dict[str, Any]:
    table = variant.published_per_class
    if table is None or digit not in table.index:
        return {}
    return {f"published_{key}": float(table.loc[digit, key]) for key in _MEASURES}


def _own(variant: VariantResult, digit: int) -> dict[str, Any]:
    if not variant.runs:
        return {}
    support = int(variant.metrics[0].support[digit])
    row: dict[str, Any] = {"support": support, "seeds": len(variant.runs)}
    if support:  # without an image nothing can be said
        for key in _MEASURES:
            row[key] = float(np.mean([getattr(each, key)[digit] for each in variant.metrics]))
    return row


def _notes(comparison: ComparisonResult, rows: list[dict[str, Any]]) -> Iterator[str]:
    seeds = sorted({row["seeds"] for row in rows if "seeds" in row})
    if seeds and seeds[-1] > 1:
        parts = [
            f"{variant.label} {len(variant.runs)}"
            for variant in comparison.variants.values()
            if variant.runs
        ]
        number = f"{seeds[0]} seeds" if len(seeds) == 1 else f"the seeds ({', '.join(parts)})"
        yield f"Own: mean over {number}."
    elif seeds:
        yield "Own: one seed."
    if any(row.get("support", SMALL_CLASS) < SMALL_CLASS for row in rows):
        yield f"{MARK} Too small to judge: fewer than {SMALL_CLASS} images."
    published = [v for v in comparison.variants.values() if v.published_per_class is not None]
    if published:
        totals = sorted({v.published.n for v in published if v.published is not None})
        images = f" on {' or '.join(count(n, 'image') for n in totals)} in all" if totals else ""
        yield f"Published{images}: how many there were of each digit was not published."
