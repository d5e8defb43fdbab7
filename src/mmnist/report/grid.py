"""A labelled grid of images as a PNG."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from mmnist.files import replacing

_GAP = 8
_ENLARGE = 2
_FONT_SIZE = 15


def labelled_grid(images: NDArray[np.uint8], captions: list[str], columns: int, path: Path) -> None:
    """Write `images` [N, height, width] row by row to the PNG `path`, a caption under each.

    A caption that is wider than its image is cut and ends in `…`. Raises `ValueError` if there is
    not one caption per image, or no image, or `columns` < 1; `RunError` if the file cannot be
    written.
    """
    if len(images) != len(captions) or not len(images) or columns < 1:
        raise ValueError(f"{len(images)} images, {len(captions)} captions, {columns} columns")
    font = ImageFont.load_default(_FONT_SIZE)
    height, width = (side * _ENLARGE for side in images.shape[1:])
    line = _FONT_SIZE + _GAP
    columns = min(columns, len(images))
    rows = -(-len(images) // columns)
    size = (columns * (width + _GAP) + _GAP, rows * (height + line + _GAP) + _GAP)
    page = Image.new("L", size, 255)
    draw = ImageDraw.Draw(page)
    for index, (image, caption) in enumerate(zip(images, captions, strict=True)):
        row, column = divmod(index, columns)
        x, y = _GAP + column * (width + _GAP), _GAP + row * (height + line + _GAP)
        page.paste(Image.fromarray(image).resize((width, height), Image.Resampling.NEAREST), (x, y))
        text = _cut(caption, width, font)
        draw.text((x + width / 2, y + height + 2), text, fill=0, font=font, anchor="ma")
    with replacing(path) as temporary:
        page.save(temporary, format="PNG")


def _cut(caption: str, width: int, font: ImageFont.FreeTypeFont | ImageFont.ImageFont) -> str:
    """`caption`, or as much of its beginning as fits into `width` px."""
    if font.getlength(caption) <= width:
        return caption
    while caption and font.getlength(caption + "…") > width:
        caption = caption[:-1]
    return caption + "…"
