"""What a data set holds, for people: facts, counts of labels, captions of images."""

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.table import Table

from mmnist.config.schema import SplitSettings
from mmnist.data.manifest import Part
from mmnist.data.splits import split_indices
from mmnist.data.store import Store
from mmnist.errors import InputError
from mmnist.task import CLASSES
from mmnist.terminal import natural_width


def describe_dataset(
    store: Store, settings: SplitSettings, origin: str
) -> tuple[dict[str, str], Table]:
    """Facts about a data set by title, and a table of how often each label occurs.

    Print the table with `crop=False`: it is as wide as its numbers.

    Args:
        store: the data set.
        settings: how its training images are split. If they cannot be, the facts say why.
        origin: where the settings of the split come from.
    """
    split, counts = _split(store, settings)
    facts = {
        "data set": str(store.path),
        **_source(store),
        "images": f"{store.count('train'):,} train, {store.count('test'):,} test",
        "fingerprint": store.fingerprint,
        "split": f"{split} ({origin})",
    }
    return facts, _label_table(store, counts)


def captions(store: Store, part: Part, first: int, count: int) -> list[str]:
    """Id, label and the three digits, where known, of `count` images from Id `first` on."""
    labels, digits = store.labels(part), store.digits(part)
    texts = []
    for i in range(first, first + count):
        label = "" if labels is None else f": {labels[i]}"
        three = "" if digits is None else f"  ({' '.join(map(str, digits[i]))})"
        texts.append(f"{i}{label}{three}")
    return texts


def _source(store: Store) -> dict[str, str]:
    source = store.manifest.source
    if not store.generated:
        return {"source": "the competition's files"}
    return {
        "source": f"generated, seed {source.get('seed')}, labels {source.get('labels')}",
        "generator": f"version {source.get('generator_version')}",
        "digits": str(source.get("digits"))
        + (", all of them in the test images" if store.tests_on_training_digits else ""),
    }


def _split(store: Store, settings: SplitSettings) -> tuple[str, dict[str, list[int]]]:
    """A split in words, and how often each label occurs on its sides by their titles."""
    labels = store.labels("train")
    try:
        train, valid = split_indices(labels, settings)
    except InputError as error:
        return str(error), {}
    counts = {
        title: np.bincount(labels[side], minlength=CLASSES).tolist()
        for title, side in (("split: train", train), ("validate", valid))
    }
    return f"{settings.words}: {len(train):,} train, {len(valid):,} validate", counts


def _label_table(store: Store, split: dict[str, list[int]]) -> Table:
    parts = store.manifest.label_counts
    columns = {part: parts[part] for part in ("train", "test") if part in parts} | split
    table = Table("label", box=SIMPLE_HEAD, show_footer=True)
    table.columns[0].footer = "all"
    for title, values in columns.items():
        table.add_column(title, f"{sum(values):,}", justify="right")
        if title in parts:
            table.add_column("share", justify="right")
    for label in range(CLASSES):
        cells = []
        for title, values in columns.items():
            cells.append(f"{values[label]:,}")
            if title in parts:
                cells.append(f"{values[label] / sum(values):.2%}")
        table.add_row(str(label), *cells)
    table.width = natural_width(table)
    return table
