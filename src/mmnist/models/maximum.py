"""The exact distribution of the largest digit that is read anywhere in an image.

A fully convolutional network gives, at every location l, a distribution over {no digit, 0 … 9}.
If locations are treated as independent, the largest digit is at most k with probability

    F(k) = Π_l (P_l(no digit) + Σ_{j ≤ k} P_l(j)),

and F(no digit) = Π_l P_l(no digit). The probability of each outcome is the difference of
neighbouring values of F. Everything is computed from logarithms, and nearly equal numbers are never
subtracted.
"""

import math
from collections.abc import Callable
from contextlib import nullcontext
from itertools import accumulate
from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.amp import is_autocast_available
from torch.nn import functional as F

from mmnist.models.angles import over_ranges
from mmnist.models.places import at_least_float32, single_place, three_places

NUM_DIGITS = 10
#: Outcomes at a location, and of an image: no digit, then 0 to 9.
NUM_OUTCOMES = 1 + NUM_DIGITS

#: Below this, log(softplus(x)) and log(1 - exp(-exp(x))) both equal x to float32 precision.
_SMALL = -15.0

#: Initial score of no digit. As those of the digits are initially about 0, the probability of no
#: digit at each location is 0.976.
_NO_DIGIT_BIAS = 6.0


class Reading(NamedTuple):
    """What a network reads in images."""

    outcomes: Tensor
    """float32 [B, 11]: log-probability that there is no digit, and that the largest is 0 … 9. The
    probabilities sum to 1."""
    present: Tensor
    """float32 [B, 10]: log-odds (logit) of each digit being there at least once."""
    scores: Tensor | None = None
    """float [B, 11, H, W], input of `read_maximum`, for a loss on its reading. Only in training, on
    whole images, if the network knows that there are three digits."""
    joint: Tensor | None = None
    """float [B, 1 + 10 · K, H, W], from `MaximumNetwork.joint_scores`, for losses that only
    patches have. Only in training, on patches."""

    @property
    def logits(self) -> Tensor:
        """float32 [B, 10]: log-probabilities of the labels 0 … 9; the probabilities sum to 1.

        No digit at all counts as 0, since every image of the task has digits.
        """
        none_or_0 = self.outcomes[:, :2].logsumexp(1, keepdim=True)
        return torch.cat([none_or_0, self.outcomes[:, 2:]], dim=1)


def read_maximum(scores: Tensor) -> Reading:
    """Distribution of the largest digit, and which digits are there, from the scores of locations.

    Args:
        scores: float [B, 11, H, W], unnormalised log-probabilities of no digit and of 0 to 9. The
            computation is in at least float32, whatever autocast says.

    Raises:
        ValueError: `scores` has another shape.
    """
    return _read(scores, lambda scores: scores.flatten(2).transpose(0, 1).contiguous())


def read_single(scores: Tensor) -> Reading:
    """`read_maximum` for images that are known to have one digit or none.

    P(none) and P(k) are in the proportion 1 : Σ_l P_l(k) / P_l(no digit), which is what remains of
    the product over locations if at most one of them may have a digit. Arguments and errors are
    those of `read_maximum`.
    """
    return _read(scores, single_place)


def read_three(scores: Tensor) -> Reading:
    """`read_maximum` for images known to have three digits that do not overlap, as in the task.

    The three places with the highest odds of a digit have one each. Arguments and errors are those
    of `read_maximum`; the grid has a location every 8 px, and room for three digits.
    """
    return _read(scores, lambda scores: three_places(scores).scores)


def _read(scores: Tensor, places: Callable[[Tensor], Tensor]) -> Reading:
    """`places` turns scores [B, 11, H, W] into those of independent places, [11, B, L]."""
    if scores.ndim != 4 or scores.shape[1] != NUM_OUTCOMES:
        raise ValueError(f"scores must be [B, {NUM_OUTCOMES}, H, W], not {list(scores.shape)}")
    scores = at_least_float32(scores)
    kind = scores.device.type
    with torch.autocast(kind, enabled=False) if is_autocast_available(kind) else nullcontext():
        # Outcomes come first, so that sums over them run over contiguous memory.
        log_p = places(scores).log_softmax(dim=0)
        cumulated = _cumulate(log_p)
        return Reading(_log_maximum(log_p, cumulated), _log_odds_of_presence(log_p, cumulated))


class MaximumNetwork(nn.Sequential):
    """Layers of a convolutional network, the last of which gives the scores of each location.

    Like torchvision's Inception, it returns more in training: a `Reading`. In evaluation mode it
    returns the log-probabilities of the labels, float32 [B, 10], like any classifier.
    """

    digits: Literal["any", "three"] = "any"
    """How many digits images are known to have: any number, or three (and patches one or none)."""
    angles: int = 1
    """Number of ranges of angles in which each digit is scored separately."""

    def joint_scores(self, images: Tensor) -> Tensor:
        """Images float [B, C, S, S] → scores of their locations, [B, 1 + 10 · angles, H, W].

        These are unnormalised log-probabilities of no digit and of each digit in each range of
        angles.
        """
        return super().forward(images)

    def read(self, images: Tensor, mosaic: int = 1, patches: bool = False) -> Reading:
        """The reading of images [B, C, S, S], in training and in evaluation mode.

        Args:
            images: all of one size.
            mosaic: tiles per side of larger images, into which the images are put together to be
                computed: the longer rows are faster on some CPUs. Locations at the border of a tile
                then see the neighbouring tile instead of zeros. B must be a multiple of `mosaic`²,
                S of the stride.
            patches: whether the images are patches. This only matters to a network that knows that
                images have three digits, which then reads one or none, and in training, where the
                reading then has `joint`.
        """
        if mosaic == 1:
            joint = self.joint_scores(images)
        else:
            joint = take_apart(self.joint_scores(put_together(images, mosaic)), mosaic)
        scores = over_ranges(joint, self.angles)
        if self.digits == "any":
            reading = read_maximum(scores)
        else:
            reading = read_single(scores) if patches else read_three(scores)
        if self.training and self.digits == "three" and not patches:
            return reading._replace(scores=scores)
        if patches and self.training:  # in evaluation mode, only selection reads patches
            return reading._replace(joint=joint)
        return reading

    def forward(self, images: Tensor, mosaic: int = 1, patches: bool = False) -> Tensor | Reading:
        """Images float [B, C, S, S] → log-probabilities of the labels, float32 [B, 10].

        In training, a `Reading` is returned instead. Arguments are those of `read`.
        """
        reading = self.read(images, mosaic, patches)
        return reading if self.training else reading.logits


def put_together(tiles: Tensor, n: int) -> Tensor:
    """Tiles [B · n², C, H, W] → images [B, C, n · H, n · W], row by row; channels last."""
    _, channels, height, width = tiles.shape
    rows = tiles.reshape(-1, n, n, channels, height, width).permute(0, 1, 4, 2, 5, 3)
    return rows.reshape(-1, n * height, n * width, channels).permute(0, 3, 1, 2)


def take_apart(images: Tensor, n: int) -> Tensor:
    """Images [B, C, n · H, n · W] → tiles [B · n², C, H, W]; undoes `put_together`."""
    batch, channels, height, width = images.shape
    parts = images.reshape(batch, channels, n, height // n, n, width // n)
    return parts.permute(0, 2, 4, 1, 3, 5).reshape(-1, channels, height // n, width // n)


def scores_of_locations(channels: int, angles: int = 1) -> nn.Conv2d:
    """The last layer of a maximum network: features [B, channels, H, W] → scores [B, 11, H, W].

    The scores are [B, 1 + 10 · angles, H, W] if each digit is read in several ranges of angles.
    Initially the layer sees a digit almost nowhere, so that the first gradients are about the
    locations where there is something.
    """
    layer = nn.Conv2d(channels, 1 + NUM_DIGITS * angles, kernel_size=1)
    nn.init.normal_(layer.weight, std=0.01)
    assert layer.bias is not None
    nn.init.zeros_(layer.bias)
    with torch.no_grad():
        layer.bias[0] = _NO_DIGIT_BIAS + math.log(angles)
    return layer


def _log_maximum(log_p: Tensor, cumulated: Tensor) -> Tensor:
    """log P(largest = no digit, 0 … 9) [B, 11], from log-probabilities [11, B, L]."""
    # F(k-1) / F(k) = exp(-s) with s = Σ_l softplus(log P_l(k) - log(P_l(none) + Σ_{j<k} P_l(j))).
    log_s = _log_softplus(log_p[1:] - cumulated[:-1]).logsumexp(dim=2)
    log_f = cumulated.sum(dim=2)
    return torch.cat([log_f[:1], log_f[1:] + _log_one_minus_exp_minus(log_s)]).T


def _log_odds_of_presence(log_p: Tensor, cumulated: Tensor) -> Tensor:
    """log(P / (1 - P)) [B, 10] of P(k) = 1 - Π_l (1 - P_l(k)), from log P_l [11, B, L]."""
    # 1 - P_l(k), as the sum of the other outcomes: those before k, and those after it.
    before = cumulated[:-1]
    after = _cumulate(log_p.flip(0)).flip(0)[2:]
    others = torch.cat([torch.logaddexp(before[:-1], after), before[-1:]])
    # -log(1 - p) = softplus(log p - log(1 - p)).
    log_s = _log_softplus(log_p[1:] - others).logsumexp(dim=2)
    return (_log_one_minus_exp_minus(log_s) + log_s.exp()).T


def _cumulate(log_p: Tensor) -> Tensor:
    """`logcumsumexp` along the first axis.

    With torch's own, a reading and its gradient take three times as long on a CPU.
    """
    return torch.stack(list(accumulate(log_p, torch.logaddexp)))


def _log_softplus(x: Tensor) -> Tensor:
    """log(log(1 + exp(x))), finite however negative x is."""
    small = x < _SMALL
    inside = torch.where(small, torch.zeros_like(x), x)
    return torch.where(small, x, torch.log(F.softplus(inside)))


def _log_one_minus_exp_minus(log_x: Tensor) -> Tensor:
    """log(1 - exp(-x)) from log x, finite however small x is."""
    small = log_x < _SMALL
    inside = torch.where(small, torch.zeros_like(log_x), log_x)
    return torch.where(small, log_x, torch.log(-torch.expm1(-inside.exp())))
