"""The table of costs."""

from collections.abc import Iterator
from typing import Any

from mmnist.config.schema import Experiment
from mmnist.evaluation.compare import quotient_interval
from mmnist.report.study.content import StudyContent
from mmnist.report.study.table import VARIANT
from mmnist.report.table import Column, Table, integer
from mmnist.study.costs import Cost, shared_rounds
from mmnist.study.results import ComparisonResult, StudyResult, VariantResult


def _relative(text: str, relative: float | None) -> str:
    return text if relative is None else f"{text} ({relative:.2f} ×)"


_COSTS = (
    *VARIANT,
    Column(
        "parameters", ("parameters", "parameters_relative"), lambda v, r: _relative(f"{v:,}", r)
    ),
    Column("MACs", ("macs", "macs_relative"), lambda v, r: _relative(_macs(v), r)),
    Column(
        "training, img/s",
        ("train_images_per_second", "train_images_per_second_relative"),
        lambda v, r: _relative(f"{v:,.{0 if v >= 100 else 1}f}", r),
    ),
    Column("", ("valid_images_per_second",)),
    Column(
        "one epoch",
        ("epoch_seconds", "epoch_seconds_relative"),
        lambda v, r: _relative(f"{v:,.1f} s", r),
    ),
    Column(
        "peak memory",
        ("peak_memory_mib", "peak_memory_mib_relative"),
        lambda v, r: _relative(f"{v:,.0f} MiB", r),
    ),
    Column("batch", ("batch_size",), integer),
    Column("precision", ("precision",), left=True),
    Column("", ("device",)),
    Column("", ("threads",)),
)


def cost_table(content: StudyContent) -> Table | None:
    """What each variant costs, also relative to the first of its experiment.

    None if nothing was measured.
    """
    images = _image_counts(content.result)
    rows: list[dict[str, Any]] = []
    for comparison in content.result.comparisons:
        rows += _cost_rows(comparison, images)
    if not rows:
        return None
    return Table(
        "Cost of each variant",
        _COSTS,
        tuple(rows),
        tuple(_cost_notes(content.result, rows)),
        content.notes,
        group="experiment",
    )


def costs_of(result: StudyResult) -> list[Cost]:
    """The measured costs, each configuration once."""
    measured = ((variant.config.name, variant.cost) for variant in result.variants)
    return list({name: cost for name, cost in measured if cost is not None}.values())


def _cost_rows(
    comparison: ComparisonResult, images: dict[tuple[Any, ...], tuple[int, int]]
) -> list[dict[str, Any]]:
    variants = list(comparison.variants.values())
    rows = []
    for variant in variants:
        if variant.cost is None:
            continue
        row = _cost_row(variant, variant.cost, images) | {"experiment": comparison.name}
        if len(variants) > 1:
            row |= _relative_costs(variant, variants[0], images)
        rows.append(row)
    return rows


def _relative_costs(
    variant: VariantResult,
    base: VariantResult,
    images: dict[tuple[Any, ...], tuple[int, int]],
) -> dict[str, float]:
    """Quotients of the costs, as claims are judged by: means over the rounds that both are in."""
    rounds = [
        (_amounts(variant, one, images), _amounts(base, other, images))
        for one, other in shared_rounds(variant.costs, base.costs)
    ]
    relative = {}
    for name in rounds[0][0] if rounds else ():
        pairs = [(one[name], other[name]) for one, other in rounds]
        if all(value for pair in pairs for value in pair):
            ours, others = zip(*pairs, strict=True)
            relative[f"{name}_relative"] = quotient_interval(ours, others)[0]
    return relative


def _amounts(
    variant: VariantResult, cost: Cost, images: dict[tuple[Any, ...], tuple[int, int]]
) -> dict[str, float | None]:
    counts = images.get(_split_key(variant.config))
    return {
        "parameters": cost.parameters,
        "macs": cost.macs,
        "train_images_per_second": cost.train_images_per_second,
        "epoch_seconds": None if counts is None else cost.seconds(1, *counts),
        "peak_memory_mib": cost.peak_memory_mib,
    }


def _cost_row(
    variant: VariantResult, cost: Cost, images: dict[tuple[Any, ...], tuple[int, int]]
) -> dict[str, Any]:
    return _amounts(variant, cost, images) | {
        "variant": variant.name,
        "label": variant.label,
        "valid_images_per_second": cost.valid_images_per_second,
        "batch_size": cost.batch_size,
        "precision": cost.precision,
        "device": cost.device,
        "threads": cost.threads,
    }


def _image_counts(result: StudyResult) -> dict[tuple[Any, ...], tuple[int, int]]:
    """Numbers of training and validation images of each split, as its runs recorded them.

    Runs that learned from single digits only say 0 training images, which is not about the split.
    """
    return {
        _split_key(variant.config): (run.summary.train_images, run.summary.valid_images)
        for variant in result.variants
        for run in variant.runs
        if run.summary.train_images
    }


def _split_key(config: Experiment) -> tuple[Any, ...]:
    return (config.data.path, *config.data.split.model_dump().values())


def _cost_notes(result: StudyResult, rows: list[dict[str, Any]]) -> Iterator[str]:
    if any("macs_relative" in row for row in rows):
        yield (
            "In brackets: relative to the first variant of the experiment; the mean over the "
            "rounds in which both were measured."
        )
    yield f"Measured on a few training steps of each{_rounds(result)}."
    yield "MACs: of one forward pass of one image."
    yield "One epoch: all training and validation images at the measured rates."
    devices = dict.fromkeys(cost.device for cost in costs_of(result))
    if all(device.startswith("CPU") for device in devices):
        yield "Peak memory: growth of the process's resident memory."
    else:
        yield "Peak memory: most that torch had allocated on the GPU."
    yield f"Measured on: {'; '.join(devices)}."


def _rounds(result: StudyResult) -> str:
    """The number of rounds of measurement in words; empty if it is 1."""
    rounds = sorted({len(variant.costs) for variant in result.variants if variant.costs})
    return "" if rounds == [1] else f", medians of {' or '.join(map(str, rounds))} rounds"


def _macs(value: int) -> str:
    return f"{value / 1e9:,.2f} G" if value >= 1e8 else f"{value / 1e6:,.2f} M"
