"""The second look at digits: cut out as SciPy does it, where the first look says."""

from itertools import product

import numpy as np
import pytest
import torch
from scipy import ndimage

from mmnist.data.glyphs import MAX_ROTATION, render_digits
from mmnist.models.angles import middles_of_ranges, over_ranges
from mmnist.models.digit_reader import digit_reader
from mmnist.models.maximum import Reading
from mmnist.models.places import STRIDE, three_places
from mmnist.models.second_look import SIDE, cut_upright, find_poses

RANGES = 6


def looker(**settings):
    """Networks of which neither is certain of anything."""
    torch.manual_seed(0)
    network = digit_reader(0.5, "three", RANGES, second_look=0.5, **settings).double()
    torch.nn.init.normal_(network.second_look.digits.weight, std=0.3)
    torch.nn.init.normal_(network.locations.weight, std=0.3)
    return network


def degrees(*values):
    return torch.tensor([values], dtype=torch.float64)


def test_what_is_cut_out_is_what_scipy_cuts_out():
    rng = np.random.default_rng(0)
    images = rng.random((2, 1, 50, 50))
    y, x = rng.uniform(10, 40, (2, 2, 3))
    turned = rng.uniform(-45, 45, (2, 3))
    pieces = cut_upright(*(torch.from_numpy(each) for each in (images, y, x, turned)))
    assert pieces.shape == (6, 1, SIDE, SIDE)
    for number, (image, place) in enumerate(product(range(2), range(3))):
        cos, sin = (f(np.radians(turned[image, place])) for f in (np.cos, np.sin))
        matrix = np.array([[cos, sin], [-sin, cos]])  # from (row, column) to (row, column)
        middle = np.array([y[image, place], x[image, place]])
        offset = middle - matrix @ np.full(2, (SIDE - 1) / 2)
        expected = ndimage.affine_transform(
            images[image, 0], matrix, offset, (SIDE, SIDE), order=1, mode="nearest"
        )
        np.testing.assert_allclose(pieces[number, 0], expected, atol=1e-9)


def test_a_digit_that_the_generator_turned_is_upright_again():
    glyph = np.zeros((2, 28, 28), np.uint8)
    glyph[:, 6:22, 10:13] = glyph[:, 19:22, 10:19] = 200  # an L
    angles = np.radians([30, -MAX_ROTATION + 5]).astype(np.float32)
    ones = np.ones(2, np.float32)
    turned, upright = (render_digits(glyph, ones, a) for a in (angles, 0 * angles))
    images = np.pad(turned, ((0, 0), (6, 6), (6, 6)))[:, None].astype(np.float64)
    middle = torch.full((2, 1), (images.shape[-1] - 1) / 2, dtype=torch.float64)
    back = torch.from_numpy(np.degrees(angles).astype(np.float64))[:, None]
    pieces = cut_upright(torch.from_numpy(images), middle, middle, back)[:, 0]
    inner = pieces[:, 2:-2, 2:-2].numpy()
    assert np.abs(inner - upright).mean() < 0.25 * np.abs(turned.astype(float) - upright).mean()


def test_poses_are_the_means_of_what_neighbours_say():
    """A 7 at the second location, in its second range and, half as likely, the third; half as
    likely again one location below; and a 3 elsewhere, which has no say."""
    joint = torch.full((1, 1 + 10 * RANGES, 4, 5), -60.0, dtype=torch.float64)
    joint[:, 0] = 0.0
    seven, three = 1 + 7 * RANGES, 1 + 3 * RANGES
    joint[0, seven + 1, 1, 1] = -5.0
    joint[0, seven + 2, 1, 1] = -5.0 - np.log(2)
    joint[0, seven + 1, 2, 1] = -5.0 - np.log(2)
    joint[0, three, 1, 4] = 3.0
    y, x, turned = find_poses(joint, torch.tensor([[[1, 1], [1, 4]]]), RANGES)
    middles = middles_of_ranges(RANGES).double()
    # Odds of any digit are 1.5 and 0.5 times exp(-5), nearly probabilities.
    assert y[0].tolist() == pytest.approx([1.25 * STRIDE, STRIDE], abs=0.02)
    assert x[0].tolist() == pytest.approx([STRIDE, 4 * STRIDE], abs=0.02)
    assert turned[0, 0].item() == pytest.approx((0.75 * middles[1] + 0.25 * middles[2]).item())
    assert turned[0, 1].item() == pytest.approx(middles[0].item())


def test_a_place_in_the_corner_has_fewer_neighbours():
    joint = torch.zeros(1, 1 + 10 * RANGES, 3, 3, dtype=torch.float64)
    y, x, turned = find_poses(joint, torch.tensor([[[0, 0], [2, 2]]]), RANGES)
    torch.testing.assert_close(y, degrees(4, 12))
    torch.testing.assert_close(x, degrees(4, 12))
    torch.testing.assert_close(turned, degrees(0, 0), atol=1e-5, rtol=0)


def test_images_are_read_as_both_looks_say_on_average():
    """Against the enumeration of three digits."""
    network = looker().eval()
    images = torch.rand(2, 1, 128, 128, dtype=torch.float64)
    joint = network.joint_scores(images)
    places = three_places(over_ranges(joint, RANGES))
    first = places.scores[1:].softmax(0).permute(1, 2, 0)
    second = network.second_look(images, joint, places.middles).exp()
    each = (first + second) / 2
    expected = torch.zeros(2, 10, dtype=torch.float64)
    for digits in product(range(10), repeat=3):
        expected[:, max(digits)] += torch.stack(
            [each[:, place, digit] for place, digit in enumerate(digits)]
        ).prod(0)
    found = network(images).exp()
    torch.testing.assert_close(found, expected)
    torch.testing.assert_close(found.sum(1), torch.ones(2, dtype=torch.float64))


def test_each_look_learns_for_itself():
    """What a patch is to both of them, whether they are computed as tiles or not; and neither loss
    moves the other network."""
    network = looker().train()
    patches = torch.rand(4, 1, 40, 40, dtype=torch.float64)
    reading = network(patches, 2, True)
    assert isinstance(reading, Reading)
    assert reading.turned.shape == (4, 10, RANGES)
    one, other = (look.exp() for look in reading.looks)
    torch.testing.assert_close(reading.outcomes.exp(), (one + other) / 2)
    torch.testing.assert_close(one[:, 0], other[:, 0])

    for look, last in zip(
        reading.looks, ("locations.weight", "second_look.digits.weight"), strict=True
    ):
        network.zero_grad()
        look[:, 4].sum().backward(retain_graph=True)
        moved = {name for name, p in network.named_parameters() if p.grad is not None}
        assert last in moved
        assert {name.startswith("second_look") for name in moved} == {
            last.startswith("second_look")
        }
    assert network.eval().read(patches, 2, True).looks == ()


def test_without_a_second_look_there_is_one():
    network = digit_reader(0.5, "three", RANGES).train()
    assert not network.looks_twice
    assert network(torch.rand(1, 1, 40, 40), 1, True).looks == ()
