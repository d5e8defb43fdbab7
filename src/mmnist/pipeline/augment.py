"""Random transforms of training images, for a whole batch at once, on any device.

Each image of a batch draws its own parameters. The geometric transforms become one coordinate map
and one `grid_sample`, so an image is interpolated once; brightness and contrast follow. The
transforms and this order are those of fastai v1 (`fastai/vision/transform.py`, `image.py`; paper,
section 4.3), and so is the order in which positions go through the maps: symmetric warp,
perspective warp, skew, tilt, squish, zoom, rotation. Only jitter, between the first two in fastai,
comes last here: it then needs no second map, and its unit is that of the image that is read.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce

import torch
from torch import Tensor
from torch.nn import functional

from mmnist.config.augmentation import AugmentSettings
from mmnist.pipeline import homography as maps
from mmnist.pipeline.device import send
from mmnist.pipeline.lighting import relight

#: Random numbers that each transform takes, besides the one that decides whether it is applied.
_NUMBERS = {
    "jitter": 1,
    "perspective_warp": 8,
    "symmetric_warp": 4,
    "squish": 3,
    "skew": 2,
    "tilt": 2,
    "rotate": 1,
    "zoom": 3,
    "brightness": 1,
    "contrast": 1,
}

# Each geometric transform as a function of its magnitudes m [B, 1], 0 where it is not applied, and
# its random numbers u [B, n] in 0..1; in the order in which positions go through them. With m = 0
# each gives exactly the identity.

_Draw = Callable[[Tensor, Tensor], Tensor]

#: Displacements of the corners, [B, 4, 2].
_WARPS: dict[str, _Draw] = {
    "symmetric_warp": lambda m, u: maps.symmetric_displacement(m * _signed(u)),
    "perspective_warp": lambda m, u: (m * _signed(u)).view(-1, 4, 2),
    "skew": lambda m, u: maps.skew_displacement((8 * u[:, 0]).long(), m[:, 0] * _signed(u[:, 1])),
    "tilt": lambda m, u: maps.tilt_displacement((4 * u[:, 0]).long(), m[:, 0] * _signed(u[:, 1])),
}

#: Matrices, [B, 3, 3].
_AFFINE_MAPS: dict[str, _Draw] = {
    "squish": lambda m, u: maps.squish(1 + m[:, 0] * _signed(u[:, 0]), u[:, 1], u[:, 2]),
    "zoom": lambda m, u: maps.zoom(1 + m[:, 0] * u[:, 0], u[:, 1], u[:, 2]),
    "rotate": lambda m, u: maps.rotation(m[:, 0] * _signed(u[:, 0])),
}


def _signed(uniform: Tensor) -> Tensor:
    """0..1 stretched to -1..1."""
    return 2 * uniform - 1


@dataclass(frozen=True)
class Parameters:
    """What is done to each of B images; tensors are float64 on the CPU."""

    homography: Tensor
    """[B, 3, 3], output positions to input positions (see `mmnist.pipeline.homography`)."""
    jitter: Tensor
    """[B], largest displacement at which a pixel is read, in half images; 0: no jitter. As in
    fastai v1, each image has its own strength, uniform from 0 to the magnitude in the settings."""
    brightness: Tensor
    """[B], added to the logits of the grey levels; 0: unchanged."""
    contrast: Tensor
    """[B], factor of the logits; 1: unchanged."""
    noise_seed: int
    """Seed of the jitter offsets."""


class Augment:
    """Random transforms of a batch, built once from the settings of an experiment."""

    def __init__(self, settings: AugmentSettings) -> None:
        self.settings = settings
        self._active = any(getattr(settings, name) is not None for name in _NUMBERS)

    def __call__(self, images: Tensor, generator: torch.Generator) -> Tensor:
        """Transformed copies of `images`, [B, 1, H, W] float32 in 0..1 on any device.

        `generator` lives on the CPU and alone decides what is done, so a seed gives the same
        transforms on the CPU and on CUDA. Only the jitter offsets differ between devices: they are
        drawn on the images' device, from a seed that the generator gives. CUDA is not synchronised.

        Without a geometric transform, an image's pixels are unchanged to the bit before lighting.
        If nothing is applied at all, `images` itself is returned.
        """
        if not self._active:
            return images
        return transform(images, draw_parameters(self.settings, len(images), generator))


def draw_parameters(
    settings: AugmentSettings, count: int, generator: torch.Generator
) -> Parameters:
    """Random parameters for `count` images.

    Every transform has its own columns in one table of random numbers, whether it is on or off:
    switching one off leaves the others as they were.
    """
    sizes = [1 + numbers for numbers in _NUMBERS.values()]
    table = torch.rand(count, sum(sizes), dtype=torch.float64, generator=generator)
    columns = dict(zip(_NUMBERS, table.split(sizes, dim=1), strict=True))

    def draw(name: str) -> tuple[Tensor, Tensor]:
        """Magnitudes [B, 1], 0 where the transform is not applied, and its random numbers."""
        chance, numbers = columns[name][:, :1], columns[name][:, 1:]
        transform_settings = getattr(settings, name)
        if transform_settings is None:
            return torch.zeros_like(chance), numbers
        return transform_settings.magnitude * (chance < transform_settings.probability), numbers

    warps = maps.warp(torch.cat([displace(*draw(name)) for name, displace in _WARPS.items()]))
    affine_maps = [matrix(*draw(name)) for name, matrix in _AFFINE_MAPS.items()]
    homography = reduce(lambda so_far, then: then @ so_far, [*warps.split(count), *affine_maps])
    jitter, jitter_share = draw("jitter")
    brightness, brightness_share = draw("brightness")
    contrast, contrast_share = draw("contrast")
    return Parameters(
        homography=maps.limit_horizon(homography),
        jitter=(jitter * jitter_share)[:, 0],
        brightness=torch.logit(0.5 * (1 + brightness * _signed(brightness_share)))[:, 0],
        contrast=((1 - contrast) ** -_signed(contrast_share))[:, 0],
        noise_seed=int(torch.randint(2**62, (), generator=generator)),
    )


def transform(images: Tensor, parameters: Parameters) -> Tensor:
    """`images` [B, 1, H, W] float32 in 0..1, transformed by `parameters`; the deterministic half.

    Interpolation is bilinear, with reflection padding. The borders of the image are at -1 and 1
    (`align_corners=False`), so that the parameters mean the same at any size. If no image of the
    batch moves, or none changes its lighting, that step is skipped; if both are, `images` itself is
    returned.
    """
    flat = parameters.homography.flatten(1)
    moved = (flat != torch.eye(3, dtype=flat.dtype).flatten()).any(dim=1) | (parameters.jitter > 0)
    lit = bool((parameters.brightness != 0).any() or (parameters.contrast != 1).any())
    numbers = [flat, *(v[:, None] for v in (moved, parameters.brightness, parameters.contrast))]
    packed = send(torch.cat(numbers, dim=1).float(), images.device)
    if moved.any():
        grid = maps.sampling_grid(packed[:, :9].view(-1, 3, 3), *images.shape[2:])
        _add_jitter(grid, parameters)
        resampled = functional.grid_sample(
            images, grid.permute(0, 2, 3, 1), padding_mode="reflection", align_corners=False
        )
        images = torch.where(packed[:, 9].bool().view(-1, 1, 1, 1), resampled, images)
    return relight(images, packed[:, 10], packed[:, 11]) if lit else images


def _add_jitter(grid: Tensor, parameters: Parameters) -> None:
    """Add jitter offsets in place to the positions `grid` [B, 2, H, W], for images with jitter."""
    index = parameters.jitter.nonzero()[:, 0]
    if len(index) == 0:
        return
    amplitude = send(parameters.jitter[index].float(), grid.device)
    generator = torch.Generator(grid.device).manual_seed(parameters.noise_seed)
    offsets = grid.new_empty(len(index), *grid.shape[1:]).uniform_(-1, 1, generator=generator)
    grid.index_add_(0, send(index, grid.device), offsets * amplitude.view(-1, 1, 1, 1))
