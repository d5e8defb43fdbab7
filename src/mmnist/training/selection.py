"""Learning more from what is read badly: selective backpropagation.

Late in a training nearly all patches are read well and teach nothing. Reading one costs a third of
learning from it, so a step reads several times as many as it learns from. After A. H. Jiang et al.,
"Accelerating Deep Learning by Focusing on the Biggest Losers", arXiv:1910.00762, who choose by the
rank of the loss; here by how likely it is that an image with this digit would get a wrong label.
"""

import torch
from torch import Tensor

from mmnist.config.training import PretrainingSettings
from mmnist.models.maximum import MaximumNetwork, Reading
from mmnist.training.callbacks import Precision, StepCallback
from mmnist.training.objective import probabilities


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
        """Chance [B] of a wrong label for each. Nothing about the network changes."""
        model = self.model
        model.eval()
        output = model.read(images) if isinstance(model, MaximumNetwork) else model(images)
        model.train()
        return chance_of_wrong_label(output, labels)


def chance_of_wrong_label(output: Tensor | Reading, labels: Tensor) -> Tensor:
    """How likely it is that an image with each of these digits would get a wrong label by it.

    A 2 that is taken for a 3 hardly ever matters, a 2 taken for an 8 often does: the label of an
    image with two more digits, any of them, becomes wrong if both are smaller than the larger of
    what is there and what is read, m; that has the probability (m / 10)².

    Args:
        output: what a network makes of B patches.
        labels: int64 [B], their digits, or -1 where there is none.

    Returns:
        float32 [B].
    """
    p = probabilities(output)
    answers = torch.arange(10 - p.shape[1], 10, device=p.device)
    larger = torch.maximum(answers, labels[:, None]).clamp(min=0)
    chances = (p * (larger / 10) ** 2 * (answers != labels[:, None])).sum(1)
    return chances.nan_to_num(1.0)  # of a training that is about to fail, and will say so


def draw_worst(wrong: Tensor, n: int) -> Tensor:
    """Indices int64 [n], ascending, of some of the patches.

    Args:
        wrong: float [B], how bad each is; the chance of being drawn next is in proportion to it
            plus its mean, so that no patch is out of the question.
        n: how many, at most B.
    """
    tiny = torch.finfo(wrong.dtype).tiny
    chances = wrong.clamp(min=0) + wrong.mean().clamp(min=tiny)
    return torch.multinomial(chances, n).sort().values
