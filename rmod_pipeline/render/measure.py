"""What is measured of a rendered pair, and recorded beside it; nothing here is ever fed back into a draw."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import numpy as np

from rmod_pipeline.audio import SILENCE_DB, Audio, Pcm, from_pcm, gain_to_db, peak, rms
from rmod_pipeline.spec import Note, Settings

HIT_SECONDS = 0.05
"""How long after its onset a hit is compared with the mixture: the attack, by which drums are heard."""

FULL_SCALE = 32767


@dataclass(frozen=True, slots=True, kw_only=True)
class MixLevels:
    """Levels of the finished 16-bit mixture."""

    peak_dbfs: float
    rms_dbfs: float
    lufs: float
    """Integrated loudness, ITU-R BS.1770-4."""
    side_mid_db: float
    """RMS of (left - right) / 2 over RMS of (left + right) / 2, within 120 dB either way."""
    full_scale_share: float
    """Share of samples at full scale, 0..1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLevels:
    """Levels of a dry one-shot, 16-bit."""

    peak_dbfs: float
    rms_dbfs: float
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLevels:
    """Levels of a track as it joins the sum, before the master chain."""

    peak_dbfs: float
    rms_dbfs: float
    inserts_db: list[float]
    """What each insert's gain came to: the make-up of ``match_rms``, else the change of RMS."""
    audible_db: float | None = None
    """RMS of the track over RMS of the sum at the drum's clearest hit; None for loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """All levels of one pair."""

    mix: MixLevels
    targets: dict[str, TargetLevels] = field(default_factory=dict)
    tracks: dict[str, TrackLevels] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the levels as JSON types."""
        from dataclasses import asdict

        return asdict(self)


def measure_mix(mix: Pcm, sample_rate: int) -> MixLevels:
    """Measure a mixture [2, frames] as it is stored."""
    audio = from_pcm(mix)
    left, right = audio
    middle, side = rms((left + right)[None] * np.float32(0.5)), rms((left - right)[None] * np.float32(0.5))
    return MixLevels(
        peak_dbfs=_level(peak(audio)),
        rms_dbfs=_level(rms(audio)),
        lufs=loudness(audio, sample_rate),
        side_mid_db=_side_mid_db(side, middle),
        full_scale_share=round(float(np.count_nonzero(np.abs(mix) >= FULL_SCALE)) / mix.size, 7),
    )


def measure_target(target: Pcm, sample_rate: int) -> TargetLevels:
    """Measure a one-shot [2, frames] as it is stored."""
    audio = from_pcm(target)
    return TargetLevels(
        peak_dbfs=_level(peak(audio)),
        rms_dbfs=_level(rms(audio)),
        seconds=round(target.shape[1] / sample_rate, 6),
    )


def audible_db(track: Audio, total: Audio, notes: Sequence[Note], settings: Settings) -> float:
    """Return how far a drum stands out of the sum at its clearest hit, in dB; both [2, frames]."""
    window = round(HIT_SECONDS * settings.sample_rate)
    best = SILENCE_DB
    for note in notes:
        start = settings.onset(note.tick)
        hit, heard = rms(track[:, start : start + window]), rms(total[:, start : start + window])
        if heard > 0:
            best = max(best, _level(hit / heard))
    return best


def loudness(audio: Audio, sample_rate: int) -> float:
    """Return the integrated loudness of [channels, frames] in LUFS; ``SILENCE_DB`` for silence."""
    import warnings

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # the logarithm of a silent block
        value = _meter(sample_rate).integrated_loudness(audio.T.astype(np.float64))
    return round(max(float(value), SILENCE_DB), 3) if np.isfinite(value) else SILENCE_DB


@cache
def _meter(sample_rate: int) -> Any:
    import pyloudnorm

    return pyloudnorm.Meter(sample_rate)


def _side_mid_db(side: float, middle: float) -> float:
    if middle == 0:
        return -SILENCE_DB if side > 0 else SILENCE_DB
    return min(_level(side / middle), -SILENCE_DB)


def _level(gain: float) -> float:
    return round(gain_to_db(gain), 3)
