"""Synthesise a singing voice: a glottis that opens and closes, and a vocal tract with moving formants."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import scipy

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    band_pass,
    high_pass,
    integrate_frequency,
    seconds_to_frames,
    time_axis,
    white_noise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Singer:
    """Parameters of a voice."""

    tract: float
    """Factor on all formant frequencies: 1 for a man, about 1.17 for a woman."""
    breath: float = 0.02
    """Level of the aspiration noise."""
    open_quotient: float = 0.6
    """Part of each period in which the glottis is open: a small value sounds pressed and bright, a large one soft."""
    tilt_hz: float = 4500.0
    """Frequency above which the source falls by another 6 dB per octave."""
    vibrato_cents: float = 28.0
    vibrato_hz: float = 5.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Syllable:
    """One sung note."""

    start: int
    """First frame of the vowel; the consonant comes before it."""
    stop: int
    """First frame after the vowel."""
    pitch: float
    """MIDI note number."""
    level: float
    consonant: str
    """A key of ``SONORANTS``, "h", "s", or empty."""
    vowel: str
    """A key of ``VOWELS``."""


VOWELS = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (290.0, 2250.0, 2950.0),
    "o": (500.0, 880.0, 2410.0),
    "u": (320.0, 870.0, 2240.0),
}
"""Formants in Hz of American English men (Peterson & Barney, JASA 1952)."""

SONORANTS = {
    "m": ((270.0, 1100.0, 2200.0), 0.35),
    "n": ((270.0, 1500.0, 2500.0), 0.35),
    "l": ((330.0, 1150.0, 2800.0), 0.5),
    "w": ((290.0, 650.0, 2150.0), 0.5),
    "y": ((260.0, 2150.0, 3000.0), 0.5),
    "d": ((220.0, 1700.0, 2600.0), 0.05),
}
"""Initial formants in Hz and level of voiced consonants (Klatt, JASA 1980, table III)."""

# A tube of 17 cm resonates about every kilohertz. Klatt's five formants cover 5 kHz; this band is wider.
_UPPER_FORMANTS_HZ = (3400.0, 4300.0, 5350.0, 6400.0, 7500.0)
_BANDWIDTHS_HZ = np.array([70.0, 90.0, 120.0, 180.0, 250.0, 320.0, 400.0, 500.0])
_BLOCK = 220
"""Frames between updates of the formants."""
_CONSONANT_SECONDS = 0.075


def sing(frames: int, syllables: Sequence[Syllable], singer: Singer, draw: Draw) -> Signal:
    """Sing syllables in order with one voice, [frames].

    A cascade formant synthesiser (Klatt, "Software for a cascade/parallel formant synthesizer", JASA 1980) whose source
    is the flow derivative of Klatt & Klatt (JASA 1990), with the vibrato and slow drift of singers (Sundberg 1987).
    """
    hz = _make_pitch_track(frames, syllables, singer, draw)
    level = _make_level_track(frames, syllables)
    source = _synthesize_glottis(hz, singer.open_quotient)
    opening = 0.5 + 0.5 * np.cos(2.0 * np.pi * integrate_frequency(hz))
    breath = high_pass(white_noise(draw.at("breath"), frames), 800.0) * (0.3 + opening)
    aspiration = singer.breath * breath * level + 0.35 * breath * _make_consonant_track(frames, syllables, "h")
    voiced = _smooth(source * level, 0.5 / (np.pi * singer.tilt_hz))
    voice = _filter_by_tract(voiced + aspiration, _make_formant_tracks(frames, syllables, singer.tract))
    # Above the highest formant, only breath that passes the lips unfiltered remains.
    air = high_pass(breath, 6000.0) * level * (0.006 + 0.08 * singer.breath)
    return _compress(voice) + air + _synthesize_friction(frames, syllables, draw.at("hiss"))


def _compress(voice: Signal) -> Signal:
    """Even out the level of a voice to an RMS of 0.2, as is usual in recordings; quiet onsets stay quieter."""
    loudness = _smooth(np.abs(voice), 0.06)
    gain = (loudness + 0.25 * float(loudness.max())) ** -0.6
    compressed = voice * gain
    return 0.2 * compressed / math.sqrt(float(np.mean(compressed**2)))


def _synthesize_glottis(hz: Signal, open_quotient: float) -> Signal:
    """Return the derivative of the glottal flow t^2 - t^3: a slow opening and a sudden closure.

    The closure is a step. The two frames around it are rounded by a polynomial band-limited step (Valimaki &
    Huovilainen 2007) to prevent aliasing.
    """
    cycle = np.mod(integrate_frequency(hz), 1.0)
    opening = cycle / open_quotient
    flow = np.where(opening < 1.0, 2.0 * opening - 3.0 * opening**2, 0.0)
    cycles_per_frame = hz / SAMPLE_RATE
    frames_after_closure = (cycle - open_quotient) / cycles_per_frame
    is_after = (frames_after_closure >= 0.0) & (frames_after_closure < 1.0)
    is_before = (frames_after_closure < 0.0) & (frames_after_closure > -1.0)
    rounding = np.where(is_after, -0.5 * (1.0 - frames_after_closure) ** 2, 0.0)
    rounding += np.where(is_before, 0.5 * (1.0 + frames_after_closure) ** 2, 0.0)
    return flow + rounding


def _make_pitch_track(frames: int, syllables: Sequence[Syllable], singer: Singer, draw: Draw) -> Signal:
    """Return the pitch [frames] in Hz."""
    target = np.full(frames, float(syllables[0].pitch))
    age = np.zeros(frames)
    ends = [*(syllable.start for syllable in syllables[1:]), frames]
    for syllable, end in zip(syllables, ends, strict=True):
        # Singers start each note slightly below its pitch and slide up.
        target[syllable.start : end] = syllable.pitch
        target[syllable.start : syllable.start + seconds_to_frames(0.05)] -= 0.6
        age[syllable.start : end] = time_axis(end - syllable.start)
    gliding = _smooth(target, 0.022)
    vibrato = 0.01 * singer.vibrato_cents * np.clip((age - 0.2) / 0.3, 0.0, 1.0)
    cycles = singer.vibrato_hz * time_axis(frames) + 0.06 * _random_walk(draw.at("rate"), frames, 2.0)
    drift = 0.08 * _random_walk(draw.at("drift"), frames, 4.0) + 0.04 * _random_walk(draw.at("flutter"), frames, 50.0)
    return 440.0 * 2.0 ** ((gliding + vibrato * np.sin(2.0 * np.pi * cycles) + drift - 69.0) / 12.0)


def _random_walk(draw: Draw, frames: int, hz: float) -> Signal:
    """Return a slow random control [frames]: ``hz`` random points of variance 1 per second, joined by lines."""
    points = white_noise(draw, math.ceil(frames / SAMPLE_RATE * hz) + 2)
    return np.interp(time_axis(frames) * hz, np.arange(len(points)), points)


def _make_level_track(frames: int, syllables: Sequence[Syllable]) -> Signal:
    """Return the level of the voiced source [frames]."""
    target = np.zeros(frames)
    for syllable in syllables:
        onset = max(0, syllable.start - _consonant_frames(syllable))
        if syllable.consonant in SONORANTS:
            target[onset : syllable.start] = SONORANTS[syllable.consonant][1] * syllable.level
        time = time_axis(syllable.stop - syllable.start)
        # Notes swell a little and fade, because no singer holds a level.
        target[syllable.start : syllable.stop] = syllable.level * (0.8 + 0.2 * np.exp(-(((time - 0.25) / 0.35) ** 2)))
    return _smooth(_smooth(target, 0.012), 0.012)


def _consonant_frames(syllable: Syllable) -> int:
    return seconds_to_frames(_CONSONANT_SECONDS) if syllable.consonant else 0


def _make_consonant_track(frames: int, syllables: Sequence[Syllable], consonant: str) -> Signal:
    """Return the level [frames] of one unvoiced consonant, with smooth ends."""
    track = np.zeros(frames)
    for syllable in syllables:
        if syllable.consonant == consonant:
            onset = max(0, syllable.start - _consonant_frames(syllable))
            track[onset : syllable.start + seconds_to_frames(0.015)] = syllable.level
    return _smooth(track, 0.01)


def _synthesize_friction(frames: int, syllables: Sequence[Syllable], draw: Draw) -> Signal:
    """Return noise from the teeth, which does not pass the vocal tract: "s", and the burst of "d"."""
    if not any(syllable.consonant in ("s", "d") for syllable in syllables):
        return np.zeros(frames)
    noise = white_noise(draw, frames)
    sibilant = high_pass(band_pass(noise, 6800.0, 1.2), 4200.0) * _make_consonant_track(frames, syllables, "s")
    burst = np.zeros(frames)
    for syllable in syllables:
        if syllable.consonant == "d":
            burst[syllable.start : syllable.start + seconds_to_frames(0.012)] = syllable.level
    return 0.25 * sibilant + 0.2 * band_pass(noise, 3200.0, 0.8) * _smooth(burst, 0.003)


def _make_formant_tracks(frames: int, syllables: Sequence[Syllable], tract: float) -> Signal:
    """Return the formants [blocks, 8] in Hz, gliding from sound to sound."""
    blocks = -(-frames // _BLOCK)
    target = np.tile(VOWELS[syllables[0].vowel], (blocks, 1))
    for syllable in syllables:
        onset = max(0, syllable.start - _consonant_frames(syllable)) // _BLOCK
        vowel = VOWELS[syllable.vowel]
        is_sonorant = syllable.consonant in SONORANTS
        target[onset : syllable.start // _BLOCK] = SONORANTS[syllable.consonant][0] if is_sonorant else vowel
        target[syllable.start // _BLOCK :] = vowel
    keep = math.exp(-_BLOCK / SAMPLE_RATE / 0.02)
    gliding = scipy.signal.lfilter([1.0 - keep], [1.0, -keep], target - target[0], axis=0) + target[0]
    # Rounded to steps of a third of a percent, which are inaudible, so that a held vowel needs only one filter.
    stepped = np.exp2(np.rint(np.log2(gliding) * 200.0) / 200.0)
    return tract * np.hstack([stepped, np.tile(_UPPER_FORMANTS_HZ, (blocks, 1))])


def _filter_by_tract(source: Signal, formants: Signal) -> Signal:
    """Apply a cascade of resonators [blocks, 8] in Hz, each with gain 1 at 0 Hz (Klatt 1980, eq. 1-2)."""
    radius = np.exp(-np.pi * _BANDWIDTHS_HZ / SAMPLE_RATE)
    feedback = 2.0 * radius * np.cos(2.0 * np.pi * formants / SAMPLE_RATE)
    sections = np.zeros((*formants.shape, 6))
    sections[:, :, 0] = 1.0 - feedback + radius**2
    sections[:, :, 3] = 1.0
    sections[:, :, 4] = -feedback
    sections[:, :, 5] = radius**2
    state = np.zeros((len(_BANDWIDTHS_HZ), 2))
    result = np.empty_like(source)
    for first, last in _find_constant_runs(formants):
        run = slice(first * _BLOCK, last * _BLOCK)
        result[run], state = scipy.signal.sosfilt(sections[first], source[run], zi=state)
    return result


def _find_constant_runs(formants: Signal) -> list[tuple[int, int]]:
    """Return the ranges of blocks, as (first, last + 1), in which no formant changes."""
    changes = np.flatnonzero(np.any(formants[1:] != formants[:-1], axis=1)) + 1
    edges = [0, *changes.tolist(), len(formants)]
    return list(itertools.pairwise(edges))


def _smooth(track: Signal, seconds: float) -> Signal:
    """Apply a one-pole low-pass with a time constant, starting from the first value."""
    keep = math.exp(-1.0 / (seconds * SAMPLE_RATE))
    smooth: Signal = scipy.signal.lfilter([1.0 - keep], [1.0, -keep], track - track[0]) + track[0]
    return smooth
