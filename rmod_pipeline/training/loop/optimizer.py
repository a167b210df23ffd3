"""Make the optimizer: AdamW for all weights, or Muon for the matrices of some layers; and schedule its rate."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from rmod_pipeline.errors import ModelError
from rmod_pipeline.recipe.schedule import TrainingSchedule

RATE = "rate"
"""Key of a parameter group: its learning rate relative to the schedule's."""

MUON_RATE = 20.0
"""Muon's steps do not depend on the gradient norm, and are small compared to AdamW's at the same learning rate."""
MOMENTUM = 0.95
ROUNDS = 5
QUINTIC = (3.4445, -4.7750, 2.0315)
"""Coefficients of the Newton-Schulz iteration: five rounds bring all singular values between 0.7 and 1.2."""


def learning_rate_at(schedule: TrainingSchedule, step: int) -> float:
    """Return the learning rate of a step: a linear warm-up, then half a cosine down to the final share."""
    warm_up = min(1.0, (step + 1) / (schedule.warm_up_steps + 1))
    share = min(max(step - schedule.warm_up_steps, 0) / (schedule.steps - schedule.warm_up_steps), 1.0)
    cosine = schedule.final_rate + (1 - schedule.final_rate) * 0.5 * (1 + math.cos(math.pi * share))
    return schedule.learning_rate * warm_up * cosine


def require_adamw(name: str, schedule: TrainingSchedule, model: str) -> None:
    """Raise ModelError unless the recipe ``name`` asks for AdamW; ``model`` says what it trains, such as "an ear"."""
    if schedule.optimizer != "adamw":
        found = f"schedule.optimizer is {schedule.optimizer}, which is for matrices; {model} has convolutions"
        raise ModelError(f"recipe {name}", found, "set schedule.optimizer: adamw")


def make_optimizer(model: nn.Module, schedule: TrainingSchedule, layers: nn.Module) -> torch.optim.Optimizer:
    """Return the optimizer that a schedule asks for, with all parameters of a model that are trained.

    ``layers``: the part of the model whose matrices Muon takes, if it is asked for.
    """
    options: dict[str, Any] = {"lr": schedule.learning_rate, "weight_decay": schedule.weight_decay}
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(trained, **options)
    matrices = [part.weight for part in layers.modules() if isinstance(part, nn.Linear)]
    matrix_ids = {id(matrix) for matrix in matrices}
    others = [parameter for parameter in trained if id(parameter) not in matrix_ids]
    muon = Muon([{"params": matrices, RATE: MUON_RATE}], **options)
    return CombinedOptimizer([muon, torch.optim.AdamW(others, **options)])


class Muon(torch.optim.Optimizer):
    """Momentum made orthogonal: Jordan et al., "Muon: an optimizer for hidden layers in neural networks" (2024).

    The same as ``torch.optim.Muon``, but in the precision of the weights. That one computes in bfloat16, which a CPU
    without instructions for it multiplies so slowly that a step of a small model takes 1.7 times as long.
    """

    def __init__(self, params: Any, lr: float, weight_decay: float) -> None:
        super().__init__(params, {"lr": lr, "weight_decay": weight_decay})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step; return the result of the closure that computes the gradients, if there is one."""
        loss = _run_closure(closure)
        for group in self.param_groups:
            for weight in group["params"]:
                if weight.grad is None:
                    continue
                state = self.state[weight]
                if not state:
                    state["momentum_buffer"] = torch.zeros_like(weight)
                momentum = state["momentum_buffer"].lerp_(weight.grad, 1 - MOMENTUM)
                step = orthogonalize(weight.grad.lerp(momentum, MOMENTUM))
                weight.mul_(1 - group["lr"] * group["weight_decay"])
                # The step of a tall matrix is longer, so that its output changes as much as a square one's.
                weight.add_(step, alpha=-group["lr"] * max(1.0, weight.shape[0] / weight.shape[1]) ** 0.5)
        return loss


def orthogonalize(matrix: Tensor) -> Tensor:
    """Return nearly the closest matrix [rows, columns] whose singular values are all 1."""
    tall = matrix.shape[0] > matrix.shape[1]
    result: Tensor = matrix.T if tall else matrix
    result = result / result.norm().clamp_min(1e-7)
    linear, cubic, quintic = QUINTIC
    for _ in range(ROUNDS):
        square = result @ result.T
        result = linear * result + (cubic * square + quintic * square @ square) @ result
    return result.T if tall else result


class CombinedOptimizer(torch.optim.Optimizer):
    """Several optimizers of different parameters as one with a common state, because lightning saves only one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share_state()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step with each optimizer after the closure; return the closure's result."""
        loss = _run_closure(closure)
        for part in self.parts:
            part.step()
        return loss

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Resume from a state."""
        super().load_state_dict(state_dict)
        self._share_state()

    def _share_state(self) -> None:
        """Make the parts use the parameter groups and the state of this optimizer."""
        groups = iter(self.param_groups)
        for part in self.parts:
            part.param_groups = [next(groups) for _ in part.param_groups]
            part.state = self.state


def _run_closure(closure: Callable[[], Any] | None) -> Any:
    if closure is None:
        return None
    with torch.enable_grad():
        return closure()
