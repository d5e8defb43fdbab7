"""Brightness and contrast, in logit space as in fastai v1.

A logit runs over all numbers while its grey level runs from 0 to 1, so no change can leave the
range of grey levels.
"""

import torch
from torch import Tensor

#: Grey levels are clamped to [ε, 1 - ε], as in fastai v1. Black (logit -16.1) stays black to 5e-6
#: and 255/256 (logit 5.5) stays above 0.98 at the paper's magnitudes, so ε itself is never seen.
_EPSILON = 1e-7


def relight(images: Tensor, brightness: Tensor, contrast: Tensor) -> Tensor:
    """Images whose logits are `contrast * (logit + brightness)`.

    `images` [B, 1, H, W] float32 in 0..1; `brightness` and `contrast` [B] float32, neutral at 0
    and 1, which reproduce the images to within 2.5e-7. Returns a new tensor like `images`.
    """
    offset, factor = (contrast * brightness).view(-1, 1, 1, 1), contrast.view(-1, 1, 1, 1)
    logits = torch.logit(images, eps=_EPSILON)
    return torch.addcmul(offset, logits, factor, out=logits).sigmoid_()
