"""Muon for the kernels of a convolutional network, AdamW for everything else."""

from collections.abc import Callable, Iterable
from itertools import chain
from typing import Any

import torch
from torch import Tensor, nn
from torch.optim import AdamW, Optimizer
from torch.optim import Muon as TorchMuon


class Muon(Optimizer):
    """torch.optim's Muon, which takes matrices only, for kernels of any number of axes.

    A kernel [out, in, h, w] is the matrix [out, in · h · w] to it. What is not a hidden kernel -
    biases, normalisation, and all of the last group, the output layer - is left to torch.optim's
    AdamW. Steps of kernels have the root mean square of AdamW's, so both share one rate and decay.

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
            lr: learning rate, as of AdamW.
            momentum: of kernels; the first beta of all others.
            weight_decay: decoupled.
        """
        defaults = {"lr": lr, "momentum": momentum, "weight_decay": weight_decay}
        super().__init__(params, defaults)
        groups = [group["params"] for group in self.param_groups]
        hidden = [[p for p in group if p.ndim > 1] for group in groups[:-1]] + [[]]
        others = [[p for p in group if p.ndim < 2] for group in groups[:-1]] + groups[-1:]
        matrices = [[nn.Parameter(p.detach().flatten(1).clone()) for p in g] for g in hidden]
        self._pairs: list[tuple[Tensor, Tensor]] = list(
            zip(chain.from_iterable(hidden), chain.from_iterable(matrices), strict=True)
        )
        self._muon = TorchMuon([{"params": g} for g in matrices], adjust_lr_fn="match_rms_adamw")
        self._adamw = AdamW([{"params": g} for g in others])

    @torch.no_grad()
    def step(self, closure: Callable[[], float] | None = None) -> float | None:
        """Change all parameters that have a gradient."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for ours, muon, adamw in zip(
            self.param_groups, self._muon.param_groups, self._adamw.param_groups, strict=True
        ):
            muon |= {key: ours[key] for key in ("lr", "momentum", "weight_decay")}
            adamw |= {key: ours[key] for key in ("lr", "weight_decay")}
            adamw["betas"] = (ours["momentum"], adamw["betas"][1])
        for kernel, matrix in self._pairs:
            matrix.copy_(kernel.flatten(1))
            matrix.grad = None if kernel.grad is None else kernel.grad.flatten(1)
        self._muon.step()
        self._adamw.step()
        for kernel, matrix in self._pairs:
            kernel.copy_(matrix.view(kernel.shape))
        return loss

    def state_dict(self) -> dict[str, Any]:
        """State of both optimisers, and our own groups."""
        own = super().state_dict()
        return own | {"muon": self._muon.state_dict(), "adamw": self._adamw.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """What `state_dict` gave."""
        own = {key: state_dict[key] for key in ("state", "param_groups")}
        super().load_state_dict(own)
        self._muon.load_state_dict(state_dict["muon"])
        self._adamw.load_state_dict(state_dict["adamw"])
