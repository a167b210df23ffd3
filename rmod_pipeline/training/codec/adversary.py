"""Compute DAC's adversarial losses with discriminators that learn to tell reconstructions from real sounds.

They need a GPU to be worth their cost. Tests run them on a CPU; they never ran on a GPU: see docs/lab/gpu.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.codec.descript import new_discriminator
from rmod_pipeline.training.codec.recipe import CodecRecipe

LEARNING_RATE = 1e-4
"""As in DAC. At 20 times that, the rate of `mini`, the discriminators become worse with each step."""

MAX_GRAD_NORM = 10.0
"""Larger gradients of the discriminators are scaled down to this norm, as in DAC."""

Features = Sequence[Sequence[Tensor]]
"""The output of each layer of each discriminator; that of the last layer is its judgement, 1 for a real sound."""


class Adversary:
    """The base class, which adds no losses."""

    @staticmethod
    def of(recipe: CodecRecipe, device: str) -> Adversary:
        """Return the adversary that the recipe's loss weights need. Raises CodecError if dac is missing."""
        if recipe.losses.adversarial == 0 and recipe.losses.feature == 0:
            return Adversary()
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
        self.network = new_discriminator(recipe.shape.sample_rate).to(device)
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=LEARNING_RATE, betas=(0.8, 0.99))

    def losses(self, reconstruction: Tensor, target: Tensor) -> dict[str, Tensor]:
        """Train the discriminators for one step; return the adversarial and the feature loss."""
        self.optimizer.zero_grad(set_to_none=True)
        compute_discriminator_loss(self.network(reconstruction.detach()), self.network(target)).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), MAX_GRAD_NORM)
        self.optimizer.step()
        # The codec's own step needs no gradients of these weights.
        self.network.requires_grad_(False)
        adversarial, feature = compute_codec_losses(self.network(reconstruction), self.network(target))
        self.network.requires_grad_(True)
        return {"adversarial": adversarial, "feature": feature}

    def state_dict(self) -> dict[str, Any]:
        """Return the state of network and optimizer."""
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Resume from a state; an empty one changes nothing."""
        if state:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])


def compute_discriminator_loss(fake: Features, real: Features) -> Tensor:
    """Return how badly the discriminators tell reconstructions from real sounds; the formula of ``dac.nn.loss``."""
    judged = [(made[-1].square().mean(), (1 - true[-1]).square().mean()) for made, true in zip(fake, real, strict=True)]
    return torch.stack([part for pair in judged for part in pair]).sum()


def compute_codec_losses(fake: Features, real: Features) -> tuple[Tensor, Tensor]:
    """Return how well the discriminators recognise reconstructions, and the distance of their features."""
    adversarial = torch.stack([(1 - made[-1]).square().mean() for made in fake]).sum()
    layers = [pair for made, true in zip(fake, real, strict=True) for pair in zip(made[:-1], true[:-1], strict=True)]
    return adversarial, torch.stack([(one - other.detach()).abs().mean() for one, other in layers]).sum()
