"""The loss of a training, and what counts as a correct prediction in it."""

from torch import Tensor
from torch.nn import functional as F

from mmnist.config.training import PretrainingSettings, TrainSettings
from mmnist.models.angles import angle_loss
from mmnist.models.maximum import Reading, read_maximum
from mmnist.models.nearest import nearest_loss


class Objective:
    """The loss of a batch: cross-entropy of the label, plus the further losses asked for.

    These are on the label as read in `digits: any`, on which digits are present, on how far they
    are rotated, and on what the locations nearest to them predict.

    Networks that read each location return a `Reading` in training; for them a label of -1 means
    that there is no digit. All others return scores [B, 10].
    """

    def __init__(self, settings: TrainSettings, pretraining: PretrainingSettings | None = None):
        pretraining = pretraining or PretrainingSettings()
        self._smoothing = settings.label_smoothing
        self._anywhere_weight = settings.anywhere_weight
        self._presence_weight = settings.presence_weight
        self._angle_weight = pretraining.angle_weight
        self._nearest_weight = pretraining.nearest_weight

    def __call__(
        self,
        output: Tensor | Reading,
        labels: Tensor,
        present: Tensor | None = None,
        turned: Tensor | None = None,
        middles: Tensor | None = None,
    ) -> Tensor:
        """Mean loss of the batch, a scalar.

        Args:
            output: what the network returned.
            labels: int64 [B].
            present: float32 [B, 10], 1 for digits that are in the image.
            turned: int64 [B], patches only: the range of the digit's angle.
            middles: float32 [B, 2], patches only: row and column of the digit's centre, px.
        """
        loss = self.label_loss(output, labels)
        if self._anywhere_weight and isinstance(output, Reading) and output.scores is not None:
            anywhere = read_maximum(output.scores)
            loss = loss + self._anywhere_weight * self.label_loss(anywhere, labels)
        if self._presence_weight and present is not None and isinstance(output, Reading):
            each = F.binary_cross_entropy_with_logits(output.present, present, reduction="none")
            loss = loss + self._presence_weight * each.sum(dim=1).mean()
        if isinstance(output, Reading) and output.joint is not None:
            loss = loss + self._of_patches(output.joint, labels, turned, middles)
        return loss

    def _of_patches(
        self, joint: Tensor, labels: Tensor, turned: Tensor | None, middles: Tensor | None
    ) -> Tensor | float:
        """The losses that only patches have; both on angles are 0 if there is only one range."""
        loss: Tensor | float = 0.0
        if self._angle_weight and turned is not None:
            loss = self._angle_weight * angle_loss(joint, labels, turned)
        if self._nearest_weight and turned is not None and middles is not None:
            nearest = nearest_loss(joint, labels, turned, middles, self._angle_weight)
            loss = loss + self._nearest_weight * nearest
        return loss

    def label_loss(self, output: Tensor | Reading, labels: Tensor) -> Tensor:
        """The loss on the label alone, which is what runs record."""
        if isinstance(output, Reading):  # log-probabilities
            return F.nll_loss(output.outcomes, labels + 1)
        return F.cross_entropy(output, labels, label_smoothing=self._smoothing)


def count_hits(output: Tensor | Reading, labels: Tensor) -> Tensor:
    """Number of labels int64 [B] that were predicted correctly: int64 scalar on their device."""
    if isinstance(output, Reading):
        return (output.outcomes.argmax(1) == labels + 1).sum()
    return (output.argmax(1) == labels).sum()


def probability_of(output: Tensor | Reading, labels: Tensor) -> Tensor:
    """Probability float32 [B] that a network gives to each of the labels int64 [B]."""
    if isinstance(output, Reading):
        return output.outcomes.gather(1, labels[:, None] + 1)[:, 0].exp()
    return output.float().softmax(1).gather(1, labels[:, None])[:, 0]
