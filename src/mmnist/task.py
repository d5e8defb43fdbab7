"""The facts of the task: what holds for every image of Modified MNIST, whoever made it.

Images are grey, with three of MNIST's digits on a textured ground; the label is the largest digit.
`docs/data.md` says how the numbers about the competition's digits were measured.
"""

from typing import Final

#: Number of labels of images, 0 to 9, and of outputs of every network.
CLASSES: Final = 10

#: Side of an image in pixels; its height and width.
IMAGE_SIDE: Final = 128
IMAGE_SHAPE: Final = (IMAGE_SIDE, IMAGE_SIDE)

#: Side in pixels of the square cell that each digit has to itself, which is that of MNIST's images.
CELL_SIDE: Final = 28

#: How much digits are enlarged within their cells.
SCALE_RANGE: Final = (1.0, 1.25)

#: How far digits are rotated at most, in degrees, either way.
MAX_ROTATION: Final = 45.0
