"""The validation images that the best variant of an experiment got most confidently wrong."""

from pathlib import Path
from textwrap import wrap

import numpy as np
from matplotlib.font_manager import findfont
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmnist.data.store import Store, open_store
from mmnist.errors import InputError
from mmnist.files import replacing
from mmnist.report.grid import labelled_grid
from mmnist.report.study.content import StudyContent
from mmnist.report.study.wording import best_variant
from mmnist.study.results import ComparisonResult, VariantResult

IMAGES, COLUMNS = 24, 6
_FONT_SIZE, _LINE, _MARGIN = 15, 20, 8


class Stores:
    """Data sets by path, each opened once."""

    def __init__(self) -> None:
        self._opened: dict[str, Store | str] = {}

    def images_of(self, variant: VariantResult) -> NDArray[np.uint8] | str:
        """Training images [N, height, width] of the variant's runs, or why they cannot be shown."""
        path = variant.config.data.path
        if path not in self._opened:
            try:
                self._opened[path] = open_store(path)
            except InputError:
                self._opened[path] = "the data set is not on this machine"
        store = self._opened[path]
        if isinstance(store, str):
            return store
        if store.fingerprint != variant.runs[0].environment.data.fingerprint:
            return "the data set has changed since the runs"
        return store.images("train")


def draw_misclassified(
    content: StudyContent, comparison: ComparisonResult, stores: Stores, path: Path
) -> str | None:
    """Write the images to `path`, with the notes below; return why not if that is impossible.

    Raises:
        RunError: the file cannot be written.
    """
    best = best_variant(comparison.variants.values())
    if best is None or comparison.comparison.judged_on != "validation":
        return "there are no runs judged on validation images"
    images = stores.images_of(best)
    if isinstance(images, str):
        return images
    places, captions = most_confident_errors(best)
    if not captions:
        return f"{best.label} made no error"
    with replacing(path) as temporary:
        labelled_grid(np.stack([images[i] for i in places]), captions, COLUMNS, temporary)
        _add_foot(temporary, " ".join(content.notes))
    return None


def most_confident_errors(variant: VariantResult) -> tuple[list[int], list[str]]:
    """Indices of up to `IMAGES` images and a caption for each, such as `9, said 4 (0.98)`.

    The prediction is that of the seeds' mean probabilities; the most confident error comes first.
    """
    each = [run.predictions("valid") for run in variant.runs]
    index, labels, _ = each[0]
    probabilities = np.mean([p.astype(np.float64) for _, _, p in each], axis=0)
    said, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    wrong = np.flatnonzero(said != labels)
    wrong = wrong[np.argsort(-confidence[wrong], kind="stable")][:IMAGES]
    captions = [f"{labels[i]}, said {said[i]} ({confidence[i]:.2f})" for i in wrong]
    return [int(index[i]) for i in wrong], captions


def _add_foot(path: Path, text: str) -> None:
    """Add `text` below the picture."""
    if not text:
        return
    font = ImageFont.truetype(findfont("DejaVu Sans"), _FONT_SIZE)  # Pillow's own has no ×
    with Image.open(path) as picture:
        picture.load()
    letters = max(20, int(len(text) * (picture.width - 2 * _MARGIN) / font.getlength(text) * 0.95))
    lines = wrap(text, letters)
    height = picture.height + len(lines) * _LINE + 2 * _MARGIN
    page = Image.new("L", (picture.width, height), 255)
    page.paste(picture, (0, 0))
    draw = ImageDraw.Draw(page)
    for number, line in enumerate(lines):
        y = picture.height + _MARGIN + number * _LINE
        draw.text((_MARGIN, y), line, fill=68, font=font)
    page.save(path, format="PNG")
