"""Muon for the kernels of a convolutional network, AdamW for everything else."""

from collections.abc import Callable, Iterable
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer

from mmnist.pipeline.device import has_bf16

#: Newton–Schulz iteration: x → a x + b x³ + c x⁵ on the singular values, `_ITERATIONS` times. The
#: coefficients are Jordan's: steep at 0, and settling between 0.7 and 1.2 instead of at 1.
_COEFFICIENTS = (3.4445, -4.775, 2.0315)
_ITERATIONS = 5

#: Root mean square of a step at a learning rate of 1, about that of AdamW's steps.
_STEP = 0.2


class Muon(Optimizer):
    """Updates kernels by steps whose singular values are all about equal.

    A kernel [out, in, h, w] is treated as the matrix [out, in · h · w]. Everything else - biases,
    normalisation, and all of the last group, the output layer - is left to torch.optim's AdamW.
    Steps of kernels have the same root mean square as AdamW's, so both share one learning rate and
    weight decay.

    torch.optim's Muon takes matrices only. It also always iterates in bf16, which on a CPU without
    bf16 took about a quarter of the training time; this one then iterates in float32.

    K. Jordan, "Muon: An optimizer for hidden layers in neural networks", 2024; J. Liu et al., "Muon
    is Scalable for LLM Training", arXiv:2502.16982.
    """

    def __init__(
        self,
        params: Iterable[dict[str, Any]],
        lr: float,
        momentum: float = 0.95,
        weight_decay: float = 0.0,
    ):
        """
        Args:
            params: groups of parameters, from input to output.
            lr: learning rate, as for AdamW.
            momentum: Nesterov momentum of kernels; first beta of AdamW for all others.
            weight_decay: decoupled.
        """
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        groups = [group["params"] for group in self.param_groups]
        self._kernels = [[p for p in group if p.ndim > 1] for group in groups[:-1]] + [[]]
        others = [[p for p in group if p.ndim < 2] for group in groups[:-1]] + groups[-1:]
        self._adamw = AdamW([{"params": g} for g in others])

    # One signature for the two overloads of torch's.
    @torch.no_grad()
    def step(  # type: ignore[override]
        self, closure: Callable[[], float] | None = None
    ) -> float | None:
        """Update all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for ours, adamw, kernels in zip(
            self.param_groups, self._adamw.param_groups, self._kernels, strict=True
        ):
            adamw |= {key: ours[key] for key in ("lr", "weight_decay")}
            adamw["betas"] = (ours["momentum"], adamw["betas"][1])
            for kernel in kernels:
                if kernel.grad is not None:
                    gradient = kernel.grad.flatten(1)
                    self._move(kernel, gradient, ours["lr"], ours["momentum"], ours["weight_decay"])
        self._adamw.step()
        return loss

    def _move(
        self, kernel: nn.Parameter, gradient: Tensor, lr: float, momentum: float, decay: float
    ) -> None:
        state = self.state[kernel]
        if not state:
            state["momentum_buffer"] = torch.zeros_like(gradient)
        average = state["momentum_buffer"].lerp_(gradient, 1 - momentum)
        ahead = gradient.lerp(average, momentum)
        direction = equalise(ahead, torch.bfloat16 if has_bf16(kernel.device) else torch.float32)
        kernel.mul_(1 - lr * decay)
        kernel.add_(direction.view(kernel.shape), alpha=-lr * _STEP * max(direction.shape) ** 0.5)

    def state_dict(self) -> dict[str, Any]:
        """The state, including that of AdamW."""
        return super().state_dict() | {"adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
        super().load_state_dict({key: state_dict[key] for key in ("state", "param_groups")})
        self._adamw.load_state_dict(state_dict["adamw"])


def equalise(matrix: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
    """The matrix [m, n] with the same singular vectors, and singular values that are all about 1.

    Singular values below 0.002 of the Frobenius norm are only multiplied, by up to 485; zeros stay.

    Args:
        matrix: float32 [m, n].
        dtype: of the iteration and of the result.
    """
    a, b, c = _COEFFICIENTS
    tall = matrix.shape[0] > matrix.shape[1]
    x = (matrix.T if tall else matrix).to(dtype)
    x = x / x.norm().clamp(min=1e-7)
    for _ in range(_ITERATIONS):
        gram = x @ x.T
        x = torch.addmm(x, torch.addmm(gram, gram, gram, beta=b, alpha=c), x, beta=a)
    return x.T if tall else x
