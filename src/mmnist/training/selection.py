"""Learning more from what is read badly: selective backpropagation.

Late in a training nearly all patches are read well and teach nothing. Reading one costs a third of
learning from it, so a step reads several times as many as it learns from. After A. H. Jiang et al.,
"Accelerating Deep Learning by Focusing on the Biggest Losers", arXiv:1910.00762, who choose by the
rank of the loss; here the chance of each is its probability of being misread plus the mean of that.
"""

import torch
from torch import Tensor

from mmnist.config.training import PretrainingSettings
from mmnist.models.maximum import MaximumNetwork
from mmnist.training.callbacks import Precision, StepCallback
from mmnist.training.objective import probability_of


class SelectPatches(StepCallback):
    """Reduces a batch of candidates to as many as are learnt from, in epochs of single digits."""

    order = Precision.order + 1
    """In the precision of the training, and after the step has got its random stream."""

    def __init__(self, settings: PretrainingSettings):
        self.settings = settings

    def before_batch(self) -> None:
        """Keep some of the patches, those that are read badly with more probability."""
        if self.epoch >= self.settings.epochs or self.settings.candidates_in(self.epoch) == 1:
            return
        chosen = draw_worst(self._wrong(self.xb[0], self.yb[0]), self.settings.batch_size)
        self.learn.xb = tuple(part[chosen] for part in self.xb)
        self.learn.yb = tuple(part[chosen] for part in self.yb)

    @torch.no_grad()
    def _wrong(self, images: Tensor, labels: Tensor) -> Tensor:
        """Probability [B] that each is misread. Nothing about the network changes."""
        model = self.model
        model.eval()
        mosaic = self.settings.mosaic
        if isinstance(model, MaximumNetwork):
            output = model.read(images, mosaic, single=True)
        else:
            output = model(images)
        model.train()
        wrong = 1 - probability_of(output, labels)
        return wrong.nan_to_num(1.0)  # of a training that is about to fail, and will say so


def draw_worst(wrong: Tensor, n: int) -> Tensor:
    """Indices int64 [n], ascending, of some of the patches.

    Args:
        wrong: float [B], probability that each is misread; the chance of being drawn next is in
            proportion to it plus its mean, so that no patch is out of the question.
        n: how many, at most B.
    """
    tiny = torch.finfo(wrong.dtype).tiny
    chances = wrong.clamp(min=0) + wrong.mean().clamp(min=tiny)
    return torch.multinomial(chances, n).sort().values
