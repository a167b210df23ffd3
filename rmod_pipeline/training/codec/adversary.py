"""DAC's adversarial losses: discriminators that learn to tell a reconstruction from the sound.

Worth their cost on a GPU alone, and made of classes that need the real descript-audiotools. The code is run by no test
and was never run on a GPU: see docs/guides/tokens.md.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rmod_pipeline.codec.descript import import_dac, real_audiotools
from rmod_pipeline.errors import CodecError
from rmod_pipeline.training.codec.recipe import CodecRecipe


class Adversary:
    """No adversary: adds nothing."""

    @staticmethod
    def of(recipe: CodecRecipe, device: str) -> Adversary:
        """Return what the recipe's weights ask for. Raises CodecError if audiotools does not import."""
        if recipe.losses.adversarial == 0 and recipe.losses.feature == 0:
            return Adversary()
        if not real_audiotools():
            hint = "install descript-audiotools (not beside Ray), or set losses.adversarial and losses.feature to 0"
            raise CodecError("adversarial losses", "descript-audiotools does not import here", hint)
        return Discriminators(recipe, device)

    def losses(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:  # noqa: ARG002
        """Return further parts of the codec's loss for [n, 1, frames], after a step of the discriminators."""
        return {}

    def state(self) -> dict[str, Any]:
        """Return what it takes to go on."""
        return {}

    def restore(self, state: dict[str, Any]) -> None:
        """Go on from a state."""


class Discriminators(Adversary):
    """DAC's multi-period and multi-band discriminators, with their own optimizer."""

    def __init__(self, recipe: CodecRecipe, device: str) -> None:
        dac = import_dac()
        self.sample_rate = recipe.shape.sample_rate
        self.network = dac.model.Discriminator(sample_rate=self.sample_rate).to(device)
        self.distance = dac.nn.loss.GANLoss(self.network)
        rate = recipe.schedule.learning_rate
        self.optimizer = torch.optim.AdamW(self.network.parameters(), lr=rate, betas=(0.8, 0.99))

    def losses(self, made: Tensor, wanted: Tensor) -> dict[str, Tensor]:
        from audiotools import AudioSignal

        fake, real = AudioSignal(made, self.sample_rate), AudioSignal(wanted, self.sample_rate)
        self.optimizer.zero_grad(set_to_none=True)
        self.distance.discriminator_loss(fake, real).backward()
        torch.nn.utils.clip_grad_norm_(self.network.parameters(), 10.0)
        self.optimizer.step()
        adversarial, feature = self.distance.generator_loss(fake, real)
        return {"adversarial": adversarial, "feature": feature}

    def state(self) -> dict[str, Any]:
        return {"network": self.network.state_dict(), "optimizer": self.optimizer.state_dict()}

    def restore(self, state: dict[str, Any]) -> None:
        if state:
            self.network.load_state_dict(state["network"])
            self.optimizer.load_state_dict(state["optimizer"])
