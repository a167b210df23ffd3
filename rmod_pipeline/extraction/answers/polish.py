"""Polish a decoded one-shot for a sampler: cut off the silence at its end and normalise its peak. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import db_to_gain, find_offset, gain_to_db, peak
from rmod_pipeline.codec.window import Mono

SILENT_DB = -50.0
"""A one-shot with a lower peak, relative to full scale, counts as silent: a codec's own noise is about as loud."""
END_DB = -60.0
"""A sound ends after its last sample above this level, relative to its peak."""
REST_SAMPLES = 2048
"""A sound that ends with this many constant samples ends at an offset."""
FADE_SECONDS = 0.005
PEAK_DB = -1.0
"""Peak of a normalised sound, relative to full scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PolishedSound:
    """A one-shot as it is written to a file."""

    audio: Mono
    gain_db: float
    """Gain that was applied."""
    silent: bool


def polish(audio: Mono, sample_rate: int, *, trim: bool = True, normalize: bool = True) -> PolishedSound:
    """Trim a decoded sound [samples] float32 to its end and bring its peak to ``PEAK_DB``.

    A constant offset is removed first. Without ``trim`` it keeps its length; without ``normalize`` it keeps its level,
    unless that would clip. A silent sound is returned unchanged, because amplified it would be noise.
    """
    sound = _remove_end_offset(audio)
    loudest = peak(sound)
    if gain_to_db(loudest) < SILENT_DB:
        return PolishedSound(audio=audio, gain_db=0.0, silent=True)
    kept = _trim_end(sound, loudest, sample_rate) if trim else sound
    gain = db_to_gain(PEAK_DB) / loudest if normalize else min(1.0, 1.0 / loudest)
    scaled = kept if gain == 1.0 else (kept * np.float32(gain)).astype(np.float32)
    return PolishedSound(audio=scaled, gain_db=gain_to_db(gain), silent=False)


def _remove_end_offset(audio: Mono) -> Mono:
    """Return a sound [samples] without the constant offset at which it ends; the same array if it has none."""
    offset = find_offset(audio[None, ::-1], REST_SAMPLES)
    sound = audio - offset[0]
    # A sound that stays on one side of its end is no sound with an offset.
    return sound if offset.any() and sound.min() < 0 < sound.max() else audio


def _trim_end(audio: Mono, loudest: float, sample_rate: int) -> Mono:
    """Return a sound without the near-silence at its end, with a short fade."""
    end = int(np.flatnonzero(np.abs(audio) >= loudest * db_to_gain(END_DB))[-1]) + 1
    fade = round(FADE_SECONDS * sample_rate)
    kept = audio[: end + fade].copy()
    # Where the window ends before the sound does, the sound itself is faded, because a click is worse.
    fade = min(kept.size - end or fade, kept.size)
    kept[kept.size - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return kept
