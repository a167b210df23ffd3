"""The network: log-mel levels -> encoder -> hits of each drum, and a description of the one-shot that was hit.

heard = ear.listen(levels)                      # encoded frames and hit logits
hits = find_hit_frames(heard.hit_logits[:, kick], most=40)
described = ear.describe(heard, hits, classes)  # coarse spectrogram of the dry one-shot, embedding, spectrum
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from rmod_pipeline.ear.pooling import PooledHits, pool_hits
from rmod_pipeline.ear.recipe import EarSize
from rmod_pipeline.ear.spectrum import STEPS, place_sounds, weigh_steps

PARTS = 6
"""Parts of a one-shot's hidden frames that its point is made of, beside the highest values."""
DROPOUT = 0.3
"""Share of the summary of a one-shot that is dropped in training before its point is made."""


@dataclass(frozen=True, slots=True)
class HeardMixture:
    """What the encoder makes of mixtures."""

    levels: Tensor
    """[n, windows * bands, frames]: the input in units of 40 dB."""
    encoded: Tensor
    """[n, width, frames]."""
    hit_logits: Tensor
    """[n, instruments, frames]: log odds that a drum is hit in a frame."""


@dataclass(frozen=True, slots=True)
class Description:
    """What a one-shot sounds like."""

    levels: Tensor
    """[n, bands, frames]: log-mel levels relative to the loudest, in units of 40 dB."""
    embedding: Tensor
    """[n, embedding], of length 1: similar one-shots of a class have similar embeddings."""
    spectrum: Tensor
    """[n, bands, STEPS]: the point where ``ear.spectrum`` places the one-shot; [n, bands, 0] if the ear does not."""


class Ear(nn.Module):
    """Hear the hits of every instrument, and describe the one-shot behind them.

    The names of parameters are part of the checkpoint format.
    """

    def __init__(self, size: EarSize, instruments: Sequence[str]) -> None:
        super().__init__()
        self.size, self.instruments = size, tuple(instruments)
        self.encoder = Encoder(size)
        self.hits = nn.Conv1d(size.width, len(instruments), 1)
        self.describer = Describer(size, self.instruments)
        self.sounds = SoundEncoder(size, len(instruments))
        assert self.hits.bias is not None
        nn.init.constant_(self.hits.bias, -4.0)  # about one frame in fifty holds a hit

    def listen(self, levels: Tensor) -> HeardMixture:
        """Encode the levels of mixtures, uint8 [n, windows, bands, frames]."""
        scaled = scale_levels(levels)
        encoded = self.encoder(scaled)
        return HeardMixture(scaled.flatten(1, 2), encoded, self.hits(encoded))

    def describe(self, heard: HeardMixture, hits: Tensor, classes: Tensor) -> Description:
        """Describe the one-shots of ``classes`` [n] from what sounds after their ``hits`` [n, most]."""
        frames = self.size.description_frames
        raw, encoded = pool_hits(heard.levels, hits, frames), pool_hits(heard.encoded, hits, frames)
        description: Description = self.describer(raw, encoded, classes)
        return description

    def place(self, levels: Tensor, classes: Tensor) -> Tensor:
        """Return where known one-shots of ``classes`` [n] are: [n, bands, STEPS], or [n, bands, 0].

        levels: uint8 [n, windows, bands, at least FRAMES].
        """
        if not self.size.spectrum:
            return levels.new_zeros((len(levels), self.size.bands, 0), dtype=torch.float32)
        return place_sounds(levels, weigh_steps(self.instruments, self.size.bands).to(levels.device)[classes])

    def embed(self, description: Tensor, classes: Tensor) -> Tensor:
        """Return the embeddings [n, embedding] of known one-shots, given their levels [n, bands, frames]."""
        embedding: Tensor = self.sounds(description, classes)
        return embedding


class Encoder(nn.Module):
    """Convolutions over bands and time, then dilated ones over time alone."""

    def __init__(self, size: EarSize) -> None:
        super().__init__()
        channels = [size.windows, *size.channels]
        self.maps = nn.ModuleList(
            nn.Conv2d(before, after, (5, 3), stride=(2, 1), padding=(2, 1)) for before, after in pairwise(channels)
        )
        self.map_norms = nn.ModuleList(nn.GroupNorm(1, after) for after in channels[1:])
        rest = size.bands // 2 ** len(size.channels)
        self.into = nn.Conv1d(channels[-1] * rest, size.width, 1)
        self.blocks = nn.ModuleList(TimeBlock(size.width, 2**layer) for layer in range(size.layers))

    def forward(self, levels: Tensor) -> Tensor:
        """Return [n, width, frames] for levels [n, windows, bands, frames]."""
        for convolution, norm in zip(self.maps, self.map_norms, strict=True):
            levels = functional.gelu(norm(convolution(levels)))
        encoded: Tensor = self.into(levels.flatten(1, 2))
        for block in self.blocks:
            encoded = block(encoded)
        return encoded


class TimeBlock(nn.Module):
    """A residual block over time: [n, width, frames] -> the same shape."""

    def __init__(self, width: int, dilation: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(1, width)
        self.wide = nn.Conv1d(width, width, 3, padding=dilation, dilation=dilation)
        self.out = nn.Conv1d(width, width, 1)

    def forward(self, frames: Tensor) -> Tensor:
        """Return the frames with what the block adds."""
        added: Tensor = self.out(functional.gelu(self.wide(self.norm(frames))))
        return frames + added


class Describer(nn.Module):
    """From what sounds after the hits to the dry one-shot's levels, embedding and spectrum."""

    def __init__(self, size: EarSize, instruments: tuple[str, ...]) -> None:
        super().__init__()
        channels = 2 * size.windows * size.bands + 2 * size.width + 1
        self.trunk = Trunk(channels, size, len(instruments), size.describer_layers)
        self.levels = nn.Conv1d(size.describer_width, size.bands, 1)
        self.spectrum = SpectrumLayer(size, instruments) if size.spectrum else None

    def forward(self, raw: PooledHits, encoded: PooledHits, classes: Tensor) -> Description:
        """Return the description; see ``Ear.describe``."""
        pooled = torch.cat([raw.mean, raw.minimum, encoded.mean, encoded.minimum, raw.share], dim=1)
        hidden = self.trunk(pooled, classes)
        levels = self.levels(hidden)
        spectrum = levels[..., :0] if self.spectrum is None else self.spectrum(hidden, classes)
        return Description(levels, self.trunk.embed(hidden), spectrum)


class SpectrumLayer(nn.Module):
    """From the hidden frames of a one-shot to its point: a sum of a few patterns, which each class has of its own.

    Few patterns and dropout keep it from learning the training sounds by heart.
    """

    def __init__(self, size: EarSize, instruments: tuple[str, ...]) -> None:
        super().__init__()
        self.instruments, self.bands = instruments, size.bands
        self.amounts = nn.Linear((PARTS + 1) * size.describer_width, size.spectrum)
        self.patterns = nn.Parameter(torch.empty(len(instruments), size.spectrum, size.bands, STEPS))
        nn.init.normal_(self.patterns, std=0.002)
        self.means = nn.Parameter(torch.zeros(len(instruments), size.bands, STEPS))
        self.dropout = nn.Dropout(DROPOUT)

    def forward(self, hidden: Tensor, classes: Tensor) -> Tensor:
        """Return points [n, bands, STEPS] for hidden frames [n, describer width, frames] and classes [n]."""
        parts = torch.cat([functional.adaptive_avg_pool1d(hidden, PARTS).flatten(1), hidden.amax(2)], dim=1)
        amounts = self.amounts(self.dropout(parts))
        points: Tensor = torch.einsum("nk,nkbs->nbs", amounts, self.patterns[classes]) + self.means[classes]
        inside = weigh_steps(self.instruments, self.bands).to(points.device) > 0
        return points * inside[classes]


class SoundEncoder(nn.Module):
    """From the levels of a known one-shot to its embedding."""

    def __init__(self, size: EarSize, instruments: int) -> None:
        super().__init__()
        self.trunk = Trunk(size.bands, size, instruments, layers=2)

    def forward(self, levels: Tensor, classes: Tensor) -> Tensor:
        """Return embeddings [n, embedding] of length 1 for levels [n, bands, frames]."""
        return self.trunk.embed(self.trunk(levels, classes))


class Trunk(nn.Module):
    """Layers over the frames of a one-shot, which are told the class, and an embedding of their outcome."""

    def __init__(self, channels: int, size: EarSize, instruments: int, layers: int) -> None:
        super().__init__()
        self.into = nn.Conv1d(channels, size.describer_width, 1)
        self.classes = nn.Embedding(instruments, size.describer_width)
        self.blocks = nn.ModuleList(TimeBlock(size.describer_width, 1) for _ in range(layers))
        self.embedding = nn.Linear(2 * size.describer_width, size.embedding)

    def forward(self, frames: Tensor, classes: Tensor) -> Tensor:
        """Return [n, describer width, frames] for [n, channels, frames] and classes [n]."""
        hidden: Tensor = self.into(frames) + self.classes(classes)[..., None]
        for block in self.blocks:
            hidden = block(hidden)
        return hidden

    def embed(self, hidden: Tensor) -> Tensor:
        """Return embeddings [n, embedding] of length 1 for hidden frames [n, describer width, frames]."""
        summary = torch.cat([hidden.mean(2), hidden.amax(2)], dim=1)
        return functional.normalize(self.embedding(summary), dim=1)


def scale_levels(levels: Tensor) -> Tensor:
    """Return levels as floats: bytes of half a dB, of which 120 (-40 dB) become 0, in units of 40 dB."""
    return (levels.float() - 120) / 80


def describe_levels(levels: Tensor, frames: int) -> Tensor:
    """Return what a description should be: levels [n, bands, frames] of one-shots relative to their loudest.

    levels: uint8 [n, windows, bands, at least ``frames``], of which the shortest window counts, the last one. Anything
    60 dB below the loudest counts as silence.
    """
    decibels = levels[:, -1, :, :frames].float() / 2
    relative = (decibels - decibels.amax((1, 2), keepdim=True)).clamp_min(-60)
    return relative / 40
