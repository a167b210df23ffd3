"""Compute DAC's adversarial losses with discriminators that learn to tell reconstructions from real sounds.

They need a GPU to be worth their cost, and classes of the real descript-audiotools. No test runs this code, and it was
never run on a GPU: see docs/guides/tokens.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.codec.descript import can_import_audiotools, import_dac
from rmod_pipeline.errors import CodecError
from rmod_pipeline.training.codec.recipe import CodecRecipe


class Adversary:
    """The base class, which adds no losses."""

    @staticmethod
    def of(recipe: CodecRecipe, device: str) -> Adversary:
        """Return the adversary that the recipe's loss weights need. Raises CodecError if audiotools is missing."""
        if recipe.losses.adversarial == 0 and recipe.losses.feature == 0:
            return Adversary()
        if not can_import_audiotools():
            hint = "install descript-audiotools (not beside Ray), or set losses.adversarial and losses.feature to 0"
            raise CodecError("adversarial losses", "descript-audiotools cannot be imported", hint)
        return Discriminators(recipe, device)

    def losses(self, reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Train the discriminators for one step; return additional losses of the codec.

        reconstruction and target [n, 1, frames] float32.
        """
        return {}

    def state_dict(self) -> dict[str, Any]:
        """Return what is needed to resume."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state."""


class Discriminators(Adversary):
    """DAC's multi-period and multi-band discriminators, with their own optimizer."""

    def __init__(self, recipe: CodecRecipe, device: str) -> None:
        dac = import_dac()
        self.sample_rate = recipe.shape.sample_rate
        self.network = dac.model.Discriminator(sample_rate=self.sample_rate).to(device)
        self.distance = dac.nn.loss.GANLoss(self.network)
        rate = recipe.schedule.learning_rate
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, betas=(0.8, 0.99))

    def losses(self, reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Train the discriminators for one step; return the adversarial and the feature loss."""
        from audiotools import AudioSignal

        fake, real = AudioSignal(reconstruction, self.sample_rate), AudioSignal(target, self.sample_rate)
        self.optimizer.zero_grad(set_to_none=True)
        self.distance.discriminator_loss(fake, real).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        adversarial, feature = self.distance.generator_loss(fake, real)
        return {"adversarial": adversarial, "feature": feature}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of network and optimizer."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state; an empty one changes nothing."""
        if state:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
