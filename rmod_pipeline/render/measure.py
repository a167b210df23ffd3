"""Measure the levels of a rendered pair. They are stored with it and never influence a draw."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, field
from functools import cache
from typing import Any, Protocol

import numpy as np

from rmod_pipeline.audio import SILENCE_DB, Audio, Pcm, from_pcm, gain_to_db, peak, rms, swing, to_channels, to_pcm
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


@dataclass(frozen=True, slots=True)
class Meter:
    """Functions that convert and measure: those of numpy, or those of the fused engine, which are faster."""

    to_pcm: Callable[[Audio], Pcm]
    """Audio [channels, frames] in 16 bit."""
    levels: Callable[[Pcm], PcmLevels]
    """Of 16-bit audio [2, frames]."""
    loudness: Callable[[Sequence[Pcm], int], list[float]]
    """(16-bit stereo audio of equal lengths, sample rate) -> its integrated loudness, in LUFS."""


class LevelSource(Protocol):
    """A stereo sound whose levels can be measured."""

    def peak_and_rms(self) -> tuple[float, float]:
        """Return the peak and the RMS over both channels."""

    def mono_rms(self, starts: Sequence[int], frames: int) -> list[float]:
        """Return the RMS in mono of windows of ``frames`` frames, which end with the audio at the latest."""


@dataclass(frozen=True, slots=True)
class AudioLevels:
    """The levels of audio [2, frames], by numpy."""

    audio: Audio

    def peak_and_rms(self) -> tuple[float, float]:
        """Return the peak and the RMS over both channels."""
        return peak(self.audio), rms(self.audio)

    def mono_rms(self, starts: Sequence[int], frames: int) -> list[float]:
        """Return the RMS in mono of windows of ``frames`` frames, which end with the audio at the latest."""
        return [rms(to_channels(self.audio[:, start : start + frames], 1)) for start in starts]


def measure_mix(mix: Pcm, sample_rate: int) -> MixLevels:
    """Measure a stored mixture [2, frames]."""
    return measure_mixes([mix], sample_rate, NUMPY_METER)[0]


def measure_mixes(mixes: Sequence[Pcm], sample_rate: int, meter: Meter) -> list[MixLevels]:
    """Measure mixtures [2, frames] of equal lengths."""
    found = []
    for mix, lufs in zip(mixes, meter.loudness(mixes, sample_rate), strict=True):
        levels = meter.levels(mix)
        found.append(
            MixLevels(
                peak_dbfs=_level_db(levels.peak),
                rms_dbfs=_level_db(levels.rms),
                lufs=lufs,
                side_mid_db=_side_mid_db(levels.side, levels.middle),
                full_scale_share=round(levels.clipped / mix.size, 7),
                mono_peak_dbfs=_level_db(levels.swing),
            )
        )
    return found


def _measure_pcm(pcm: Pcm) -> PcmLevels:
    audio = from_pcm(pcm)
    left, right = audio
    return PcmLevels(
        peak=peak(audio),
        rms=rms(audio),
        middle=rms((left + right)[None] * np.float32(0.5)),
        side=rms((left - right)[None] * np.float32(0.5)),
        clipped=int(np.count_nonzero(np.abs(pcm) >= FULL_SCALE)),
        swing=swing(to_channels(audio, 1)),
    )


def _measure_each(pcms: Sequence[Pcm], sample_rate: int) -> list[float]:
    return [measure_loudness(from_pcm(pcm), sample_rate) for pcm in pcms]


NUMPY_METER = Meter(to_pcm, _measure_pcm, _measure_each)


@cache
def open_meter(engine: str) -> Meter:
    """Return the meter of an engine."""
    if engine != FUSED:
        return NUMPY_METER
    from rmod_pipeline.effects.engines.fused import levels

    def measure_loudnesses(pcms: Sequence[Pcm], sample_rate: int) -> list[float]:
        if pcms[0].shape[1] < levels.BLOCK_SECONDS * sample_rate:
            return _measure_each(pcms, sample_rate)
        return [round(value, 3) for value in levels.integrate_loudness(pcms, sample_rate)]

    return Meter(levels.convert_to_pcm, lambda pcm: PcmLevels(*levels.measure_samples(pcm)), measure_loudnesses)


def measure_target(target: Pcm, sample_rate: int, meter: Meter = NUMPY_METER) -> TargetLevels:
    """Measure a stored one-shot [2, frames]."""
    levels = meter.levels(target)
    return TargetLevels(
        peak_dbfs=_level_db(levels.peak),
        rms_dbfs=_level_db(levels.rms),
        seconds=round(target.shape[1] / sample_rate, 6),
        mono_peak_dbfs=_level_db(levels.swing),
    )


def measure_audibility(track: LevelSource, total: LevelSource, notes: Sequence[Note], settings: Settings) -> float:
    """Return the RMS of a drum relative to the sum at its clearest hit, both in mono, in dB.

    ``SILENCE_DB`` for a drum without notes.
    """
    if not notes:
        return SILENCE_DB
    window = round(HIT_SECONDS * settings.sample_rate)
    starts = [settings.onset(note.tick) for note in notes]
    clearest = 0.0
    for hit_rms, total_rms in zip(track.mono_rms(starts, window), total.mono_rms(starts, window), strict=True):
        if total_rms > 0:
            clearest = max(clearest, hit_rms / total_rms)
    return max(_level_db(clearest), SILENCE_DB)


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
