"""How weights move: AdamW for all, or Muon for the matrices of the blocks and AdamW for the rest."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import nn

from rmod_pipeline.dose.model import Dose
from rmod_pipeline.dose.recipe import Schedule

RATE = "rate"
"""In a group of parameters: its learning rate relative to the schedule's."""

MUON_RATE = 20.0
"""Muon's steps are of one size whatever the slope, and small beside AdamW's at the same rate."""


def optimizer_of(model: Dose, schedule: Schedule) -> torch.optim.Optimizer:
    """Return the optimizer that a schedule asks for, of all of a model's parameters."""
    how: dict[str, Any] = {"lr": schedule.learning_rate, "weight_decay": schedule.weight_decay}
    if schedule.optimizer == "adamw":
        return torch.optim.AdamW(model.parameters(), **how)
    matrices = [part.weight for part in model.blocks.modules() if isinstance(part, nn.Linear)]
    chosen = {id(each) for each in matrices}
    others = [each for each in model.parameters() if id(each) not in chosen]
    muon = torch.optim.Muon([{"params": matrices, RATE: MUON_RATE}], **how)
    return Together([muon, torch.optim.AdamW(others, **how)])


class Together(torch.optim.Optimizer):
    """Several optimizers of different parameters as one, with one state: lightning drives and keeps a single one."""

    def __init__(self, parts: Sequence[torch.optim.Optimizer]) -> None:
        self.parts = list(parts)
        super().__init__([group for part in parts for group in part.param_groups], {})
        self._share()

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """Take a step with each."""
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
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
