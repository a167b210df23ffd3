"""Measure the levels of a rendered pair. They are stored with it and never influence a draw."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any

import numpy as np

from rmod_pipeline.audio import SILENCE_DB, Audio, Pcm, from_pcm, gain_to_db, peak, rms, swing, to_channels
from rmod_pipeline.effects import FUSED
from rmod_pipeline.spec import Note, Settings

HIT_SECONDS = 0.05
"""A hit is compared with the mixture over this time from its onset: the attack, which makes a drum audible."""

FULL_SCALE = 32767


@dataclass(frozen=True, slots=True, kw_only=True)
class MixLevels:
    """Levels of the finished 16-bit mixture."""

    peak_dbfs: float
    rms_dbfs: float
    lufs: float
    """Integrated loudness, ITU-R BS.1770-4."""
    side_mid_db: float
    """RMS of (left - right) / 2 over RMS of (left + right) / 2, clipped to -120..120 dB."""
    full_scale_share: float
    """Share of samples at full scale, 0..1."""
    mono_peak_dbfs: float
    """Half of the peak-to-peak amplitude of the mean of the channels, which is what becomes tokens."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetLevels:
    """Levels of a dry 16-bit one-shot."""

    peak_dbfs: float
    rms_dbfs: float
    seconds: float
    mono_peak_dbfs: float
    """As in ``MixLevels``."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TrackLevels:
    """Levels of a track at the sum, before the master chain."""

    peak_dbfs: float
    rms_dbfs: float
    inserts_db: list[float]
    """Measured gain of each insert: the make-up gain with ``match_rms``, else the change of RMS."""
    audible_db: float | None = None
    """RMS of the track over RMS of the sum at the drum's clearest hit, both in mono; None for loops."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PairLevels:
    """All levels of one pair; ``measured`` in its JSON."""

    mix: MixLevels
    targets: dict[str, TargetLevels] = field(default_factory=dict)
    tracks: dict[str, TrackLevels] = field(default_factory=dict)

    def to_dict(self) -> dict[str, Any]:
        """Return the levels as a dict of JSON types."""
        return asdict(self)


@dataclass(frozen=True, slots=True)
class PcmLevels:
    """Linear levels of 16-bit stereo audio."""

    peak: float
    rms: float
    middle: float
    """RMS of (left + right) / 2."""
    side: float
    """RMS of (left - right) / 2."""
    clipped: int
    """Samples at full scale."""
    swing: float
    """Half of the peak-to-peak amplitude of the mean of the channels."""
    lufs: float


@dataclass(frozen=True, slots=True)
class Meter:
    """Functions that measure: those of numpy, or those of the fused engine, which are faster."""

    measure_pcm: Callable[[Pcm, int], PcmLevels]
    """(16-bit audio [2, frames], sample rate) -> its levels."""
    peak_and_rms: Callable[[Audio], tuple[float, float]]
    """Of audio [channels, frames]."""
    mono_rms: Callable[[Audio, int, int], float]
    """(stereo audio [2, frames], first frame, frame after the last) -> RMS of the mean of its channels."""


def measure_mix(mix: Pcm, sample_rate: int, meter: Meter | None = None) -> MixLevels:
    """Measure a stored mixture [2, frames]."""
    levels = (meter or NUMPY_METER).measure_pcm(mix, sample_rate)
    return MixLevels(
        peak_dbfs=_level_db(levels.peak),
        rms_dbfs=_level_db(levels.rms),
        lufs=levels.lufs,
        side_mid_db=_side_mid_db(levels.side, levels.middle),
        full_scale_share=round(levels.clipped / mix.size, 7),
        mono_peak_dbfs=_level_db(levels.swing),
    )


def _measure_pcm(pcm: Pcm, sample_rate: int) -> PcmLevels:
    audio = from_pcm(pcm)
    left, right = audio
    return PcmLevels(
        peak=peak(audio),
        rms=rms(audio),
        middle=rms((left + right)[None] * np.float32(0.5)),
        side=rms((left - right)[None] * np.float32(0.5)),
        clipped=int(np.count_nonzero(np.abs(pcm) >= FULL_SCALE)),
        swing=swing(to_channels(audio, 1)),
        lufs=measure_loudness(audio, sample_rate),
    )


NUMPY_METER = Meter(
    measure_pcm=_measure_pcm,
    peak_and_rms=lambda audio: (peak(audio), rms(audio)),
    mono_rms=lambda audio, start, end: rms(to_channels(audio[:, start:end], 1)),
)


def open_meter(engine: str) -> Meter:
    """Return the meter of an engine. That of the fused engine needs frames for a block of the loudness, 0.4 s."""
    if engine != FUSED:
        return NUMPY_METER
    from rmod_pipeline.effects.engines.fused import levels

    def measure_pcm(pcm: Pcm, sample_rate: int) -> PcmLevels:
        if pcm.shape[1] < levels.BLOCK_SECONDS * sample_rate:
            return _measure_pcm(pcm, sample_rate)
        return PcmLevels(*levels.measure_samples(pcm), lufs=round(levels.measure_k_weighted(pcm, sample_rate), 3))

    return Meter(measure_pcm, levels.measure_peak_and_rms, levels.measure_mono_rms)


def measure_target(target: Pcm, sample_rate: int) -> TargetLevels:
    """Measure a stored one-shot [2, frames]."""
    audio = from_pcm(target)
    return TargetLevels(
        peak_dbfs=_level_db(peak(audio)),
        rms_dbfs=_level_db(rms(audio)),
        seconds=round(target.shape[1] / sample_rate, 6),
        mono_peak_dbfs=_level_db(swing(to_channels(audio, 1))),
    )


def measure_audibility(
    track: Audio, total: Audio, notes: Sequence[Note], settings: Settings, meter: Meter | None = None
) -> float:
    """Return the RMS of a drum relative to the sum at its clearest hit, both in mono, in dB.

    track and total [2, frames]; ``SILENCE_DB`` for a drum without notes.
    """
    window = round(HIT_SECONDS * settings.sample_rate)
    clearest = SILENCE_DB
    for note in notes:
        start = settings.onset(note.tick)
        hit_rms, total_rms = ((meter or NUMPY_METER).mono_rms(sound, start, start + window) for sound in (track, total))
        if total_rms > 0:
            clearest = max(clearest, _level_db(hit_rms / total_rms))
    return clearest


def measure_loudness(audio: Audio, sample_rate: int) -> float:
    """Return the integrated loudness of audio [channels, frames] in LUFS; ``SILENCE_DB`` for silence."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", RuntimeWarning)  # log(0) for a silent block
        value = _meter(sample_rate).integrated_loudness(audio.T.astype(np.float64))
    return round(max(float(value), SILENCE_DB), 3) if np.isfinite(value) else SILENCE_DB


@cache
def _meter(sample_rate: int) -> Any:
    import pyloudnorm

    return pyloudnorm.Meter(sample_rate)


def _side_mid_db(side: float, middle: float) -> float:
    if middle == 0:
        return -SILENCE_DB if side > 0 else SILENCE_DB
    return min(_level_db(side / middle), -SILENCE_DB)


def _level_db(gain: float) -> float:
    return round(gain_to_db(gain), 3)
