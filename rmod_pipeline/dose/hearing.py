"""Define how a model hears mixtures, and embed what sounds after the hits that an ear hears in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional

from rmod_pipeline.ear.hits import MOST_HITS, find_hit_frames
from rmod_pipeline.ear.model import Ear
from rmod_pipeline.ear.pooling import NO_HIT, pool_hits
from rmod_pipeline.ear.recipe import EarSize
from rmod_pipeline.errors import DoseError, nearest
from rmod_pipeline.features import LogMel

LAST_LAYER = 0.1
"""Scale of the first weights of the last layer: what the ear hears begins as a small part of a row."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hearing:
    """The definition of a model's spectrograms and, for ``condition: ear``, the size of its ear."""

    mel: LogMel
    ear_size: EarSize | None = None
    """None for a model without an ear."""
    ear_instruments: tuple[str, ...] = ()
    """What the ear hears; the index of an instrument is its class there."""
    classes: tuple[int, ...] = ()
    """Class in the ear of each of the model's instruments."""

    @classmethod
    def with_ear(
        cls, mel: LogMel, size: EarSize, ear_instruments: Sequence[str], instruments: Sequence[str], about: object
    ) -> Hearing:
        """Return the hearing of a model for ``instruments``. Raises DoseError for one that the ear does not hear."""
        for name in instruments:
            if name not in ear_instruments:
                found = f"hears {' and '.join(ear_instruments)}, not {name}{nearest(name, ear_instruments)}"
                raise DoseError(about, found, f"give an ear that hears {name}: --ear FILE")
        classes = tuple(list(ear_instruments).index(name) for name in instruments)
        return cls(mel=mel, ear_size=size, ear_instruments=tuple(ear_instruments), classes=classes)

    def to_dict(self) -> dict[str, Any]:
        """Return the hearing as JSON, without the classes, which follow from the model's instruments."""
        mel = {"mel": self.mel.to_dict()}
        if self.ear_size is None:
            return mel
        return {
            **mel,
            "ear": {"size": self.ear_size.model_dump(mode="json"), "instruments": list(self.ear_instruments)},
        }

    @classmethod
    def from_dict(cls, content: Mapping[str, Any], instruments: Sequence[str], about: object) -> Hearing:
        """Return the hearing of a model for ``instruments`` from its JSON. Raises ValueError, TypeError, DoseError."""
        mel, ear = LogMel.from_dict(content.get("mel", {})), content.get("ear")
        if ear is None:
            return cls(mel=mel)
        if not isinstance(ear, Mapping) or not isinstance(ear.get("instruments"), list):
            raise TypeError("its ear has no instruments")
        return cls.with_ear(mel, EarSize.model_validate(ear.get("size")), ear["instruments"], instruments, about)


class HitListener(nn.Module):
    """An ear that finds the hits of an instrument, and layers that embed what sounds after them.

    The ear is part of the model, so that a checkpoint needs no other file, but no training changes it.
    """

    def __init__(self, hearing: Hearing, width: int) -> None:
        super().__init__()
        assert hearing.ear_size is not None
        self.classes = hearing.classes
        self.ear = Ear(hearing.ear_size, hearing.ear_instruments).eval().requires_grad_(False)
        levels = hearing.ear_size.windows * hearing.ear_size.bands
        channels = 2 * levels + hearing.ear_size.width + 1
        self.layers = nn.ModuleList(
            [
                nn.Conv1d(channels, width, 3, padding=1),
                nn.Conv1d(width, width, 3, padding=1),
                nn.Conv1d(width, width, 1),
            ]
        )
        self._initialize_weights()

    def train(self, mode: bool = True) -> HitListener:
        """Set the mode of the layers; the ear stays in eval mode."""
        super().train(mode)
        self.ear.eval()
        return self

    def forward(
        self,
        levels: Tensor,
        instruments: Tensor | None,
        inside: Tensor,
        known: Tensor | None = None,
        dropout: float = 0.0,
    ) -> Tensor:
        """Return what sounds after the hits, embedded: [n, frames, width].

        levels [n, windows, bands, mixture frames] uint8: the mixtures.
        instruments [n] int64: the class of each in the model; None for a model of one instrument.
        inside [n, frames] bool: the frames of each one-shot; after the end of a shorter window the result is 0.
        known [n, most] int64: hits in place of those that the ear hears, where a row has any; -1 pads it.
        """
        pooled = self._pool(levels, self._find_classes(instruments, len(levels), levels.device), inside.shape[1], known)
        mask = inside[:, None].to(pooled.dtype)
        if dropout:
            pooled = drop_values(pooled, dropout)
        # Masked before each layer: a window in a longer batch then gets what it gets alone.
        first, *others = self.layers
        hidden: Tensor = first(pooled * mask)
        for layer in others:
            hidden = layer(functional.gelu(hidden) * mask)
        return (hidden * mask).transpose(1, 2)

    @torch.no_grad()
    def _pool(self, levels: Tensor, classes: Tensor, frames: int, known: Tensor | None) -> Tensor:
        """Return what sounds after the hits: [n, channels, frames].

        Always in float32, so that the same hits are heard in training and in generation.
        """
        with torch.autocast(levels.device.type, enabled=False):
            mixtures = self.ear.listen(levels)
            logits = mixtures.hit_logits[torch.arange(len(levels), device=levels.device), classes]
            hits = find_hit_frames(logits, MOST_HITS)
            if known is not None:
                padded = functional.pad(hits, (0, max(known.shape[1] - hits.shape[1], 0)), value=NO_HIT)
                known = functional.pad(known, (0, padded.shape[1] - known.shape[1]), value=NO_HIT)
                hits = torch.where((known >= 0).any(1, keepdim=True), known, padded)
            raw, encoded = pool_hits(mixtures.levels, hits, frames), pool_hits(mixtures.encoded, hits, frames)
            return torch.cat([raw.mean, raw.minimum, encoded.mean, raw.share], dim=1)

    def _find_classes(self, instruments: Tensor | None, count: int, device: torch.device) -> Tensor:
        """Return the class in the ear of each item: int64 [n]."""
        classes = torch.tensor(self.classes, device=device)
        return classes[instruments] if instruments is not None else classes.expand(count)

    @torch.no_grad()
    def _initialize_weights(self) -> None:
        """Draw the first weights of the layers: outputs of unit variance, and small ones of the last."""
        for layer in self.layers:
            assert isinstance(layer, nn.Conv1d)
            nn.init.normal_(layer.weight, std=(layer.in_channels * layer.kernel_size[0]) ** -0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)
        self.layers[-1].get_parameter("weight").mul_(LAST_LAYER)


def drop_values(values: Tensor, share: float | Tensor) -> Tensor:
    """Return values with a share of them replaced by 0; a tensor of shares is broadcast."""
    return values * (torch.rand(values.shape, device=values.device) >= share)
