"""What happens to the pixels, against analytic images and SciPy's resampling."""

import math

import numpy as np
import pytest
import torch
from scipy import ndimage, stats
from scipy.special import expit

from mmnist.config.augmentation import PAPER_AUGMENTATION, AugmentSettings
from mmnist.pipeline import homography as maps
from mmnist.pipeline.augment import Augment, Parameters, draw_parameters, transform

MAGNITUDES = {
    "jitter": 0.1,
    "perspective_warp": 0.5,
    "symmetric_warp": 0.2,
    "squish": 0.33,
    "skew": 0.5,
    "tilt": 0.5,
    "rotate": 25.0,
    "zoom": 0.4,
    "brightness": 0.2,
    "contrast": 0.2,
}
GEOMETRIC = [name for name in MAGNITUDES if name not in ("brightness", "contrast")]
MAPS = [name for name in GEOMETRIC if name != "jitter"]


def seeded(seed=0):
    return torch.Generator().manual_seed(seed)


def only(*names):
    """Settings of these transforms alone, applied to every image."""
    return AugmentSettings.model_validate({name: {"magnitude": MAGNITUDES[name]} for name in names})


def parameters(homography=None, jitter=0.0, brightness=0.0, contrast=1.0, count=1, noise_seed=5):
    """Explicit parameters, neutral where not given."""
    if homography is None:
        homography = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    values = (torch.full((len(homography),), v).double() for v in (jitter, brightness, contrast))
    return Parameters(homography, *values, noise_seed=noise_seed)


def noise_images(count, size):
    return torch.rand(count, 1, size, size, generator=seeded(99))


def places(size):
    centres = (2 * np.arange(size) + 1) / size - 1
    return np.meshgrid(centres, centres)


def smooth(x, y):
    return 0.5 + 0.3 * np.sin(2 * x + 1) * np.cos(1.5 * y) + 0.1 * np.sin(x - 2 * y)


def smooth_image(size):
    return torch.from_numpy(smooth(*places(size))).float()[None, None]


def source_places(matrix, size):
    x, y = places(size)
    a, b, w = np.einsum("ij,jhw->ihw", np.asarray(matrix), np.stack([x, y, np.ones_like(x)]))
    return a / w, b / w


def test_rotation_moves_a_bright_dot_to_the_computed_place():
    size, angle = 65, 20.0
    image = torch.zeros(1, 1, size, size)
    image[0, 0, 32, 52:55] = image[0, 0, 31:34, 53] = 1  # centred on column 53: x = 42 / 65
    result = transform(image, parameters(maps.rotation(torch.tensor([angle]).double())))[0, 0]
    row, column = ndimage.center_of_mass(result.numpy())
    # Output places are rotated by +20° (y down) to find their source: the dot moves by -20°.
    radius = 53 - 32
    assert column == pytest.approx(32 + radius * math.cos(math.radians(angle)), abs=0.05)
    assert row == pytest.approx(32 - radius * math.sin(math.radians(angle)), abs=0.05)


@pytest.mark.parametrize(
    "matrix",
    [
        maps.rotation(torch.tensor([17.0]).double()),
        maps.zoom(*torch.tensor([[1.1], [0.2], [0.9]]).double()),
        maps.squish(*torch.tensor([[0.67], [0.2], [0.9]]).double()),
        maps.squish(*torch.tensor([[1.33], [0.2], [0.9]]).double()),
        maps.warp(0.8 * torch.rand(1, 4, 2, dtype=torch.float64, generator=seeded(1)) - 0.4),
    ],
    ids=["rotation", "zoom", "squish-width", "squish-height", "warp"],
)
@pytest.mark.parametrize("size", [64, 97])
def test_smooth_image_is_the_function_at_the_source_places(matrix, size):
    result = transform(smooth_image(size), parameters(matrix))[0, 0].numpy()
    x, y = source_places(matrix[0], size)
    inside = np.maximum(abs(x), abs(y)) < 1 - 1 / size
    assert inside.mean() > 0.5
    assert result[inside] == pytest.approx(smooth(x, y)[inside], abs=5e-4)


@pytest.mark.parametrize("size", [33, 64])
def test_all_warps_at_once_against_scipy_with_reflection(size):
    images = noise_images(8, size)
    chosen = draw_parameters(only(*MAPS), 8, seeded())
    result = transform(images, chosen).numpy()
    for image, matrix, got in zip(images.numpy(), chosen.homography, result, strict=True):
        column, row = (((v + 1) * size - 1) / 2 for v in source_places(matrix, size))
        expected = ndimage.map_coordinates(image[0], [row, column], order=1, mode="reflect")
        assert got[0] == pytest.approx(expected, abs=2e-4)


def test_jitter_offsets_are_uniform_and_independent_in_x_and_y():
    x, y = places(128)
    ramps = torch.from_numpy(np.stack([x, y])).float()[:, None] / 2 + 0.5
    # One image at a time and the same seed: both see the same offsets, read off from the slope.
    offset_x, offset_y = (
        2 * (transform(ramp[None], parameters(jitter=0.1)) - ramp)[0, 0, 10:-10, 10:-10].flatten()
        for ramp in ramps
    )
    for offset in (offset_x, offset_y):
        assert stats.kstest(offset.numpy(), stats.uniform(-0.1, 0.2).cdf).pvalue > 0.001
    assert abs(np.corrcoef(offset_x, offset_y)[0, 1]) < 0.04
    assert abs(np.corrcoef(offset_x[1:], offset_x[:-1])[0, 1]) < 0.04


def test_jitter_offsets_follow_from_their_seed():
    one, again, other = (
        transform(noise_images(1, 16), parameters(jitter=0.1, noise_seed=seed))
        for seed in (5, 5, 6)
    )
    assert torch.equal(one, again)
    assert not torch.equal(one, other)


def test_lighting_comes_after_resampling():
    image = torch.tensor([[0.0, 1.0], [0.0, 1.0]])[None, None]
    halfway = torch.eye(3, dtype=torch.float64)[None].clone()
    halfway[0, 0, 2] = -0.5  # the right column is read from between the two columns
    result = transform(image, parameters(halfway, brightness=0.3))
    assert result[0, 0, :, 1].numpy() == pytest.approx(expit(0.3), abs=1e-6)


@pytest.mark.parametrize("size", [64, 96, 101, 128])
def test_images_that_do_not_move_keep_their_pixels_to_the_bit(size):
    images = noise_images(4, size)
    homography = torch.eye(3, dtype=torch.float64).repeat(4, 1, 1)
    homography[1, 0, 2] = 0.3
    result = transform(images, parameters(homography))
    still = torch.tensor([True, False, True, True])
    assert torch.equal(result[still], images[still])
    assert not torch.equal(result[1], images[1])


@pytest.mark.parametrize("value", [0.0, 255 / 256, 1.0])
@pytest.mark.parametrize("names", [GEOMETRIC, [*MAGNITUDES]], ids=["geometric", "all"])
def test_plain_images_stay_in_range(value, names):
    result = Augment(only(*names))(torch.full((64, 1, 32, 32), value), seeded())
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1
    if names == GEOMETRIC:
        assert (result - value).abs().max() < 1e-6


def test_strongest_warps_stay_finite_and_in_range():
    names = ("perspective_warp", "symmetric_warp", "squish", "skew", "tilt", "jitter")
    settings = AugmentSettings.model_validate({name: {"magnitude": 0.99} for name in names})
    augment = Augment(settings)
    result = augment(noise_images(256, 32), seeded())
    assert result.isfinite().all()
    assert result.min() >= 0
    assert result.max() <= 1


def test_without_transforms_the_input_itself_comes_back():
    images = noise_images(2, 16)
    assert Augment(AugmentSettings())(images, seeded()) is images


def test_paper_augmentation_gives_each_image_its_own_transform():
    images = noise_images(1, 64).expand(64, 1, 64, 64)
    result = Augment(PAPER_AUGMENTATION)(images, seeded())
    distances = torch.cdist(result.flatten(1), result.flatten(1)) + torch.eye(64)
    assert distances.min() > 0.1


def test_seed_decides():
    augment, images = Augment(PAPER_AUGMENTATION), noise_images(32, 32)
    first, again, other = (augment(images, seeded(seed)) for seed in (7, 7, 8))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_successive_batches_differ():
    augment, images, generator = Augment(PAPER_AUGMENTATION), noise_images(32, 32), seeded()
    assert not torch.equal(augment(images, generator), augment(images, generator))


def test_global_random_state_is_neither_used_nor_changed():
    augment, images = Augment(only(*MAGNITUDES)), noise_images(8, 32)
    before = torch.get_rng_state()
    first = augment(images, seeded())
    assert torch.equal(torch.get_rng_state(), before)
    torch.rand(10)
    assert torch.equal(augment(images, seeded()), first)


def test_generator_advances_alike_whatever_the_size_and_the_jitter():
    states = []
    for names, size in [(["jitter"], 16), (["jitter"], 32), (["rotate"], 16)]:
        generator = seeded()
        Augment(only(*names))(noise_images(8, size), generator)
        states.append(generator.get_state())
    assert torch.equal(states[0], states[1])
    assert torch.equal(states[0], states[2])


@pytest.mark.parametrize("shape", [(1, 1, 128, 128), (5, 1, 64, 64), (3, 1, 97, 97)])
def test_shape_and_dtype_are_kept_and_the_input_is_left_as_it_is(shape):
    images = torch.rand(shape, generator=seeded(3))
    before = images.clone()
    result = Augment(only(*MAGNITUDES))(images, seeded())
    assert result.shape == shape
    assert result.dtype == torch.float32
    assert torch.equal(images, before)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_applies_the_same_transforms_as_the_cpu():
    augment = Augment(only(*(set(MAGNITUDES) - {"jitter"})))
    images = smooth_image(64).expand(32, 1, 64, 64)
    on_cuda = augment(images.cuda(), seeded())
    assert on_cuda.is_cuda
    torch.testing.assert_close(on_cuda.cpu(), augment(images, seeded()), rtol=0, atol=1e-4)


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs CUDA")
def test_cuda_is_not_synchronised_and_is_reproducible():
    augment, images = Augment(PAPER_AUGMENTATION), noise_images(64, 64).cuda()
    expected = augment(images, seeded())
    torch.cuda.set_sync_debug_mode("error")
    try:
        result = augment(images, seeded())
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert torch.equal(result, expected)
