"""The loss of a batch, and its hits."""

import pytest
import torch
from torch.nn import functional as F

from mmnist.config.training import PretrainingSettings, TrainSettings
from mmnist.models.angles import angle_loss
from mmnist.models.maximum import read_maximum
from mmnist.models.nearest import nearest_loss
from mmnist.training.objective import Objective, count_hits

LABELS = torch.tensor([3, -1, 0])


@pytest.fixture
def reading():
    return read_maximum(torch.randn(3, 11, 2, 2, generator=torch.manual_seed(0)))


def test_scores_have_the_cross_entropy_of_torch():
    scores = torch.randn(4, 10, generator=torch.manual_seed(0))
    labels = torch.tensor([1, 2, 9, 0])
    loss = Objective(TrainSettings(label_smoothing=0.1))(scores, labels)
    assert loss == torch.nn.CrossEntropyLoss(label_smoothing=0.1)(scores, labels)
    assert count_hits(scores, scores.argmax(1)) == 4


def test_a_reading_has_the_negative_log_likelihood_of_its_outcome(reading):
    loss = Objective(TrainSettings())(reading, LABELS)
    by_hand = -(reading.outcomes[0, 4] + reading.outcomes[1, 0] + reading.outcomes[2, 1]) / 3
    torch.testing.assert_close(loss, by_hand)


def test_the_label_as_read_anywhere_counts_with_its_weight(reading):
    scores = torch.randn(3, 11, 2, 2, generator=torch.manual_seed(1))
    both = reading._replace(scores=scores)
    plain = Objective(TrainSettings())
    weighted = Objective(TrainSettings(anywhere_weight=0.5))
    expected = plain(reading, LABELS) + 0.5 * plain(read_maximum(scores), LABELS)
    torch.testing.assert_close(weighted(both, LABELS), expected)
    torch.testing.assert_close(weighted.label_loss(both, LABELS), plain(reading, LABELS))
    torch.testing.assert_close(weighted(reading, LABELS), plain(reading, LABELS))


def test_presence_counts_with_its_weight(reading):
    present = torch.zeros(3, 10)
    present[0, [1, 3]] = 1
    plain = Objective(TrainSettings())
    weighted = Objective(TrainSettings(presence_weight=0.5))
    each = F.binary_cross_entropy_with_logits(reading.present, present, reduction="sum") / 3
    torch.testing.assert_close(
        weighted(reading, LABELS, present), plain(reading, LABELS, present) + 0.5 * each
    )
    torch.testing.assert_close(plain(reading, LABELS, present), plain(reading, LABELS))


def test_angles_count_with_their_weight(reading):
    joint = torch.randn(3, 61, 2, 2, generator=torch.manual_seed(0))
    turned = torch.tensor([5, 0, 2])
    present = torch.zeros(3, 10)
    told = reading._replace(joint=joint)
    plain = Objective(TrainSettings(), PretrainingSettings(angle_weight=0))
    weighted = Objective(TrainSettings(), PretrainingSettings(angle_weight=0.5))
    torch.testing.assert_close(
        weighted(told, LABELS, present, turned),
        plain(told, LABELS, present) + 0.5 * angle_loss(joint, LABELS, turned),
    )
    torch.testing.assert_close(weighted(reading, LABELS, present), plain(reading, LABELS))
    one_range = reading._replace(joint=joint[:, :11])
    torch.testing.assert_close(
        weighted(one_range, LABELS, present, 0 * turned), plain(reading, LABELS)
    )


@pytest.mark.parametrize("angles", [1, 6])
def test_what_the_nearest_locations_say_counts_with_its_weight(reading, angles):
    joint = torch.randn(3, 1 + 10 * angles, 5, 5, generator=torch.manual_seed(0))
    told = reading._replace(joint=joint)
    turned = torch.tensor([angles - 1, 0, 0])
    middles = torch.tensor([[13.5, 20], [16, 16], [21.25, 8]])
    targets = LABELS, torch.zeros(3, 10), turned
    plain = Objective(TrainSettings(), PretrainingSettings(angle_weight=0.5))
    weighted = Objective(
        TrainSettings(), PretrainingSettings(angle_weight=0.5, nearest_weight=0.25)
    )
    nearest = nearest_loss(joint, LABELS, turned, middles, 0.5 if angles > 1 else 0)
    torch.testing.assert_close(
        weighted(told, *targets, middles), plain(told, *targets, middles) + 0.25 * nearest
    )
    torch.testing.assert_close(weighted.label_loss(told, LABELS), plain.label_loss(reading, LABELS))


def test_hits_of_a_reading_count_no_digit_too(reading):
    said = reading.outcomes.argmax(1) - 1
    assert count_hits(reading, said) == 3
    assert count_hits(reading, said + 1) == 0
