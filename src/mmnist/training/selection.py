"""Selective backpropagation: training more on the patches that are read badly.

Late in a training, nearly all patches are read well and teach nothing. Reading a patch costs a
third of training on it, so a step reads several times as many patches as it trains on. After A. H.
Jiang et al., "Accelerating Deep Learning by Focusing on the Biggest Losers", arXiv:1910.00762, who
choose by the rank of the loss; here, the chance of a patch is proportional to its probability of
being misread plus the mean of these probabilities.
"""

import torch
from torch import Tensor

from mmnist.config.training import PretrainingSettings
from mmnist.models.maximum import MaximumNetwork
from mmnist.training.callbacks import Precision, StepCallback
from mmnist.training.objective import probability_of


class SelectPatches(StepCallback):
    """Reduces a batch of candidates to the patches trained on, in epochs of single digits."""

    order = Precision.order + 1
    """After `Precision`, to read in the training's precision, and after `SeedSteps`."""

    def __init__(self, settings: PretrainingSettings):
        self.settings = settings

    def before_batch(self) -> None:
        """Keep a random selection of the patches that favours those that are read badly."""
        if self.epoch >= self.settings.epochs or self.settings.candidates_in(self.epoch) == 1:
            return
        chosen = draw_worst(self._wrong(self.xb[0], self.yb[0]), self.settings.batch_size)
        self.learn.xb = tuple(part[chosen] for part in self.xb)
        self.learn.yb = tuple(part[chosen] for part in self.yb)

    @torch.no_grad()
    def _wrong(self, images: Tensor, labels: Tensor) -> Tensor:
        """Probability [B] that each image is misread. The network is left unchanged."""
        model = self.model
        model.eval()
        mosaic = self.settings.mosaic
        if isinstance(model, MaximumNetwork):
            output = model.read(images, mosaic, patches=True)
        else:
            output = model(images)
        model.train()
        wrong = 1 - probability_of(output, labels)
        return wrong.nan_to_num(1.0)  # NaN: the training is about to fail, and will say so


def draw_worst(wrong: Tensor, n: int) -> Tensor:
    """Indices int64 [n], ascending, of a random selection that favours patches that are misread.

    Args:
        wrong: float [B], probability that each is misread; the chance of being drawn next is
            proportional to it plus its mean, so that any patch may be drawn.
        n: how many, at most B.
    """
    tiny = torch.finfo(wrong.dtype).tiny
    chances = wrong.clamp(min=0) + wrong.mean().clamp(min=tiny)
    return torch.multinomial(chances, n).sort().values
