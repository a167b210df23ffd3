"""How weights move: AdamW for all, or Muon for the matrices of the blocks and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import DoseSchedule

RATE = "rate"
"""In a group of parameters: its learning rate relative to the schedule's."""

MUON_RATE = 20.0
"""Muon's steps are of one size whatever the grad_norm, and small beside AdamW's at the same rate."""
MOMENTUM = 0.95
ROUNDS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Of Newton and Schulz: five rounds bring every singular value of a matrix near 1, between 0.7 and 1.2."""


def optimizer_of(model: Dose, schedule: DoseSchedule) -> torch.optim.Optimizer:
    """Return the optimizer that a schedule asks for, of all of a model's parameters."""
    how: dict[str, Any] = {"lr": schedule.learning_rate, "weight_decay": schedule.weight_decay}
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), **how)
    matrices = [part.weight for part in model.blocks.modules() if isinstance(part, nn.Linear)]
    chosen = {id(each) for each in matrices}
    others = [each for each in model.parameters() if id(each) not in chosen]
    muon = Muon([{"params": matrices, RATE: MUON_RATE}], **how)
    return Together([muon, torch.optim.AdamW(others, **how)])


class Muon(torch.optim.Optimizer):
    """Momentum, made orthogonal: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).

    As ``torch.optim.Muon``, but in the weights' own precision. That one computes in bfloat16, in which a CPU without
    instructions for it multiplies matrices so slowly that a step of a small model takes 1.7 times as long.
    """

    def __init__(self, params: Any, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step, after the closure that makes the slopes, if there is one; return what it returns."""
        loss = _called(closure)
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                kept = self.state[weight]
                if not kept:
                    kept["momentum_buffer"] = torch.zeros_like(weight)
                momentum = kept["momentum_buffer"].lerp_(weight.grad, 1 - MOMENTUM)
                step = orthogonal(weight.grad.lerp(momentum, MOMENTUM))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                # A tall matrix's step is made longer, so that what comes out of it changes as much.
                weight.add_(step, alpha=-group["lr"] * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5)
        return loss


def orthogonal(matrix: Tensor) -> Tensor:
    """Return about the nearest matrix whose singular values are all 1, [rows, columns] as the given one."""
    tall = matrix.shape[0] > matrix.shape[1]
    made = matrix.T if tall else matrix
    made = made / made.norm().clamp_min(1e-7)
    linear, cubic, quintic = QUINTIC
    for _ in range(ROUNDS):
        square = made @ made.T
        made = linear * made + (cubic * square + quintic * square @ square) @ made
    return made.T if tall else made


class Together(torch.optim.Optimizer):
    """Several optimizers of different parameters as one, with one state: lightning drives and keeps a single one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step with each, after the closure; return what it returns."""
        loss = _called(closure)
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from a state."""
        super().load_state_dict(state_dict)
        self._share()

    def _share(self) -> None:
        """Have the parts work on the groups and the state that are kept and loaded here."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state


def _called(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
