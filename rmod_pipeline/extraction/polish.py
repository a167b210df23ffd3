"""A decoded one-shot -> one for a sampler: its silent end cut off, as loud as its peak may be. Pure functions."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import db_to_gain, gain_to_db, peak
from rmod_pipeline.codec.window import Mono

SILENT_DB = -50.0
"""Peak, relative to full scale, below which a candidate counts as silent: a codec's own noise lies about there."""
END_DB = -60.0
"""A sound ends where nothing louder than this, relative to its peak, follows."""
FADE_SECONDS = 0.005
PEAK_DB = -1.0
"""Of a normalised sound, relative to full scale."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Polished:
    """A one-shot to be heard."""

    audio: Mono
    gain_db: float
    """What was added to its level."""
    silent: bool


def polish(audio: Mono, sample_rate: int, *, trim: bool = True, normalize: bool = True) -> Polished:
    """Return a decoded sound [samples] float32 without its silent end, its peak at ``PEAK_DB``.

    Without ``trim`` it keeps its length; without ``normalize`` its level, unless that would clip. A silent one is left
    as it is: made louder it would be noise.
    """
    loudest = peak(audio)
    if gain_to_db(loudest) < SILENT_DB:
        return Polished(audio=audio, gain_db=0.0, silent=True)
    kept = _without_end(audio, loudest, sample_rate) if trim else audio
    gain = db_to_gain(PEAK_DB) / loudest if normalize else min(1.0, 1.0 / loudest)
    levelled = kept if gain == 1.0 else (kept * np.float32(gain)).astype(np.float32)
    return Polished(audio=levelled, gain_db=gain_to_db(gain), silent=False)


def _without_end(audio: Mono, loudest: float, sample_rate: int) -> Mono:
    """Return a sound up to where it is near silence, and a short fade."""
    sounding = int(np.flatnonzero(np.abs(audio) >= loudest * db_to_gain(END_DB))[-1]) + 1
    fade = round(FADE_SECONDS * sample_rate)
    kept = audio[: sounding + fade].copy()
    # Where it is the window that ends, and not the sound, the sound itself is faded: a click is worse.
    fade = min(kept.size - sounding or fade, kept.size)
    kept[kept.size - fade :] *= np.linspace(1.0, 0.0, fade, dtype=np.float32)
    return kept
