"""One fixed window a kind of audio: what an encoder is given, and how much of it is sound.

A codec sees 4 s of a mixture and the beginning of a one-shot, always at the same length, because a fixed shape gives
the same tokens whatever stands beside it in a batch.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Pcm

Mono = NDArray[np.float32]
"""[samples], full scale at 1."""

TARGET_FRAMES: Mapping[str, int] = {"kick": 90, "snare": 90, "hihat": 40}
"""Token frames of a target: 1.045 s of kick and snare, 0.464 s of hi-hat. DOSE paper, section V-A."""

OTHER_TARGET_FRAMES = 90
"""For a kind that the paper does not have."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Windowed:
    """A sound in its window."""

    audio: Mono
    """[frames * hop], cut, or padded with silence."""
    frames: int
    """Token frames of the window that hold sound; the others are padding."""


def mono_of(pcm: Pcm) -> Mono:
    """Return the mean of left and right of stored 16-bit audio [channels, samples], as float32 [samples].

    Exact but for one rounding at the end, so that tokens can be made again from the audio shards and come out the same.
    """
    total = pcm.sum(axis=0, dtype=np.int32)
    return (total / (pcm.shape[0] * 32767.0)).astype(np.float32)


def frames_of(samples: int, hop: int) -> int:
    """Return the token frames that so many samples take: 4 s at 44.1 kHz are 345 of 512."""
    return -(-samples // hop)


def target_frames(kind: str, chosen: Mapping[str, int] | None = None) -> int:
    """Return a target's window in token frames: what a recipe chose for its kind, or what the paper uses."""
    return {**TARGET_FRAMES, **(chosen or {})}.get(kind, OTHER_TARGET_FRAMES)


def fit_window(audio: Mono, frames: int, hop: int) -> Windowed:
    """Return a sound in a window of so many token frames."""
    kept = audio[: frames * hop]
    padded = np.pad(kept, (0, frames * hop - kept.size))
    return Windowed(audio=padded, frames=frames_of(kept.size, hop))
