"""Weights that follow the trained ones slowly: they reconstruct better than any single step's."""

from __future__ import annotations

from typing import Any

import torch


class Average:
    """An exponential moving average of a model's weights, faithful from the first step on.

    ``twin`` is another model of the same shape, which becomes the average.
    """

    def __init__(self, model: Any, twin: Any, decay: float) -> None:
        twin.load_state_dict(model.state_dict())
        self.model = twin.eval().requires_grad_(False)
        self.decay = decay

    @torch.no_grad()
    def follow(self, model: Any, step: int) -> None:
        """Move towards the model; in the first steps quickly, so that nothing of its random start is kept."""
        share = 1 - min(self.decay, (1 + step) / (10 + step))
        for kept, new in zip(self.model.parameters(), model.parameters(), strict=True):
            kept.lerp_(new, share)
