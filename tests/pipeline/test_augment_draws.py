"""Which parameters are drawn: their ranges, distributions, shares and order."""

import math

import numpy as np
import pytest
import torch
from scipy import stats

from mmnist.config.augmentation import AugmentSettings
from mmnist.pipeline.augment import draw_parameters

MANY = 4000
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
SQUARE = torch.tensor([[-1, -1], [1, -1], [1, 1], [-1, 1]]).double()  # top left, clockwise


def only(*names, probability=1.0):
    return AugmentSettings.model_validate(
        {name: {"magnitude": MAGNITUDES[name], "probability": probability} for name in names}
    )


def drawn(*names, count=MANY, probability=1.0, seed=0):
    return draw_parameters(
        only(*names, probability=probability), count, torch.Generator().manual_seed(seed)
    )


def assert_uniform(values, low, high):
    values = values.double().numpy()
    assert values.min() >= low
    assert values.max() <= high
    assert stats.kstest(values, stats.uniform(low, high - low).cdf).pvalue > 0.001


def test_angles_are_uniform():
    matrix = drawn("rotate").homography
    angle = torch.rad2deg(torch.atan2(matrix[:, 1, 0], matrix[:, 0, 0]))
    assert_uniform(angle, -25, 25)


def test_zoom_and_its_point_are_uniform():
    matrix = drawn("zoom").homography
    assert torch.equal(matrix[:, 0, 0], matrix[:, 1, 1])
    assert_uniform(1 / matrix[:, 0, 0], 1, 1.4)
    point_x = matrix[:, 0, 2] / (1 - matrix[:, 0, 0])
    point_y = matrix[:, 1, 2] / (1 - matrix[:, 1, 1])
    assert_uniform(point_x, -1, 1)
    assert_uniform(point_y, -1, 1)
    assert abs(np.corrcoef(point_x, point_y)[0, 1]) < 0.06


def test_squish_is_uniform_about_one():
    matrix = drawn("squish").homography
    width, height = matrix[:, 0, 0], matrix[:, 1, 1]
    assert ((width == 1) | (height == 1)).all()
    assert_uniform(torch.where(width < 1, width, 1 / height), 0.67, 1.33)
    assert_uniform((matrix[:, 0, 2] / (1 - width))[width < 1], -1, 1)
    assert_uniform((matrix[:, 1, 2] / (1 - height))[height < 1], -1, 1)


def corner_displacements(matrix):
    """Where the corners of the picture appear, but for maps whose horizon was pushed out."""
    square = torch.cat([SQUARE, torch.ones(4, 1)], dim=1)
    mapped = square @ torch.linalg.inv(matrix).transpose(1, 2)
    displacement = mapped[..., :2] / mapped[..., 2:] - SQUARE
    possible = displacement.abs().amax((1, 2)) <= 0.5 + 1e-9
    assert possible.double().mean() > 0.995
    return displacement[possible]


def test_perspective_warp_moves_eight_coordinates_uniformly():
    displacement = corner_displacements(drawn("perspective_warp").homography).flatten(1)
    for coordinate in displacement.T:
        assert_uniform(coordinate, -0.5 - 1e-9, 0.5 + 1e-9)
    assert abs(np.corrcoef(displacement.T) - np.eye(8)).max() < 0.07


def test_symmetric_warp_moves_four_amounts_uniformly():
    outward = corner_displacements(drawn("symmetric_warp").homography) * SQUARE
    top_left, top_right, bottom_right, bottom_left = outward.unbind(dim=1)
    for one, other, axis in [
        (top_left, top_right, 0),
        (bottom_left, bottom_right, 0),
        (top_left, bottom_left, 1),
        (top_right, bottom_right, 1),
    ]:
        torch.testing.assert_close(one[:, axis], other[:, axis], rtol=0, atol=1e-12)
        assert_uniform(one[:, axis], -0.2 - 1e-9, 0.2 + 1e-9)


@pytest.mark.parametrize(("name", "directions", "moved"), [("skew", 8, 1), ("tilt", 4, 2)])
def test_skew_and_tilt_choose_all_directions_equally_often(name, directions, moved):
    displacement = corner_displacements(drawn(name).homography).flatten(1)
    changed = displacement.abs() > 1e-9
    assert (changed.sum(dim=1) == moved).double().mean() > 0.999
    patterns, counts = changed.unique(dim=0, return_counts=True)
    assert len(patterns) == directions
    assert stats.chisquare(counts.numpy()).pvalue > 0.001
    outward = displacement * SQUARE.flatten()
    assert_uniform(outward.sum(dim=1) / moved, -0.5 - 1e-9, 0.5 + 1e-9)


def test_lighting_amounts():
    chosen = drawn("brightness", "contrast")
    assert_uniform(torch.sigmoid(chosen.brightness), 0.4, 0.6)
    assert_uniform(chosen.contrast.log(), math.log(0.8) - 1e-12, -math.log(0.8) + 1e-12)


def test_strength_of_jitter_is_uniform():
    assert_uniform(drawn("jitter").jitter, 0, 0.1)


def is_changed(chosen):
    return (
        (chosen.homography != torch.eye(3)).flatten(1).any(dim=1)
        | (chosen.jitter != 0)
        | (chosen.brightness != 0)
        | (chosen.contrast != 1)
    )


@pytest.mark.parametrize("name", MAGNITUDES)
@pytest.mark.parametrize("probability", [0.0, 0.2, 1.0])
def test_share_of_transformed_images(name, probability):
    changed = int(is_changed(drawn(name, probability=probability)).sum())
    if probability in (0, 1):
        assert changed == probability * MANY
    else:
        assert stats.binomtest(changed, MANY, probability).pvalue > 0.001


def test_transforms_are_chosen_independently_of_each_other():
    rotated = is_changed(drawn("rotate", probability=0.5))
    zoomed = is_changed(drawn("zoom", probability=0.5))
    assert stats.binomtest(int((rotated & zoomed).sum()), MANY, 0.25).pvalue > 0.001


def test_order_of_the_maps_and_that_one_transform_leaves_the_others_draws_alone():
    names = ["symmetric_warp", "perspective_warp", "skew", "tilt", "squish", "zoom", "rotate"]
    single = {name: drawn(name, count=50).homography.numpy() for name in names}
    expected = np.eye(3)
    for name in names:  # places go through the symmetric warp first, through the rotation last
        expected = single[name] @ expected
    together = drawn(*MAGNITUDES, count=50)
    usual = abs(expected[:, 2, :2]).sum(axis=1) < 0.9 * expected[:, 2, 2]  # no horizon near
    assert usual.sum() > 40
    assert together.homography.numpy()[usual] == pytest.approx(expected[usual], abs=1e-12)
    assert torch.equal(together.jitter, drawn("jitter", count=50).jitter)
    assert torch.equal(together.contrast, drawn("contrast", count=50).contrast)
