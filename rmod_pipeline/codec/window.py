"""Windows: the fixed-length input of a codec, one length per kind of audio.

A codec encodes 4 s of a mixture and the beginning of a one-shot. The length of each is fixed, because with a fixed
shape the tokens do not depend on the other items of a batch.
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
"""Token frames of a target: 1.045 s for kick and snare, 0.464 s for hi-hat. DOSE paper, section V-A."""

OTHER_TARGET_FRAMES = 90
"""Token frames of a kind that is not in the paper."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AudioWindow:
    """Audio of a fixed length."""

    audio: Mono
    """[frames * hop], cut or padded with silence."""
    frames: int
    """Number of token frames that hold audio; the others are padding."""


def mix_to_mono(pcm: Pcm) -> Mono:
    """Return the mean of the channels of 16-bit audio [channels, samples], as float32 [samples].

    It rounds only once, so that encoding the stored audio again gives the same tokens.
    """
    total = pcm.sum(axis=0, dtype=np.int32)
    mono: Mono = (total / (pcm.shape[0] * 32767.0)).astype(np.float32)
    return mono


def count_frames(samples: int, hop: int) -> int:
    """Return the number of token frames of ``samples`` samples; 4 s at 44.1 kHz are 345 frames of 512."""
    return -(-samples // hop)


def target_frames(kind: str, overrides: Mapping[str, int] | None = None) -> int:
    """Return the window of a target in token frames: that of the recipe in ``overrides``, or that of the paper."""
    return {**TARGET_FRAMES, **(overrides or {})}.get(kind, OTHER_TARGET_FRAMES)


def fit_window(audio: Mono, frames: int, hop: int) -> AudioWindow:
    """Cut audio [samples] to ``frames`` token frames, or pad it with silence."""
    kept = audio[: frames * hop]
    padded = np.pad(kept, (0, frames * hop - kept.size))
    return AudioWindow(audio=padded, frames=count_frames(kept.size, hop))
