"""Define what a model is given of mixtures: their tokens, or the levels of their log-mel spectrograms."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields

import numpy as np
import torch
from torch import Tensor

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.features import LogMel


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """Mixtures as a model is given them. A model needs one of the two: see ``ModelSize.condition``."""

    tokens: Tensor | None = None
    """[n, codebooks, frames] integers: the codes of mixtures."""
    levels: Tensor | None = None
    """[n, windows, bands, frames] uint8: their log-mel levels."""

    def __len__(self) -> int:
        """Return the number of mixtures."""
        return next((len(part) for part in (self.tokens, self.levels) if part is not None), 0)

    def map(self, change: Callable[[Tensor], Tensor]) -> Condition:
        """Return the condition with each of its tensors changed, such as moved to a device, or cut."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        return Condition(**{name: None if part is None else change(part) for name, part in parts.items()})


def compute_levels(mel: LogMel, sounds: Sequence[Mono]) -> Tensor:
    """Return the levels of sounds, each [frames * hop] float32: uint8 [n, windows, bands, frames]."""
    return torch.from_numpy(np.stack([mel.compute(sound) for sound in sounds]))
