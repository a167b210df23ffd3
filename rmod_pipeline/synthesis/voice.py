"""A singing voice: a glottis that opens and closes, and a vocal tract of formants that move from sound to sound."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.signal import lfilter, sosfilt

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    band_pass,
    high_pass,
    phase_of,
    seconds_to_frames,
    time_axis,
    white_noise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Singer:
    """Whose voice it is."""

    tract: float
    """Factor on all formants: 1 for a man, about 1.17 for a woman."""
    breath: float = 0.02
    """Level of the aspiration noise."""
    open_quotient: float = 0.6
    """The part of each period in which the glottis is open: small is pressed and bright, large soft."""
    tilt_hz: float = 4500.0
    """Above this the source falls by another 6 dB an octave."""
    vibrato_cents: float = 28.0
    vibrato_hz: float = 5.4


@dataclass(frozen=True, slots=True, kw_only=True)
class Syllable:
    """One sung note: frames from where to where, pitch in MIDI numbers, consonant and vowel."""

    start: int
    stop: int
    pitch: float
    level: float
    consonant: str
    vowel: str


# Formants of American English men (Peterson & Barney, JASA 1952), Hz.
VOWELS = {
    "a": (730.0, 1090.0, 2440.0),
    "e": (530.0, 1840.0, 2480.0),
    "i": (290.0, 2250.0, 2950.0),
    "o": (500.0, 880.0, 2410.0),
    "u": (320.0, 870.0, 2240.0),
}

# Where the tract starts from in a voiced consonant (Klatt, JASA 1980, table III), Hz, and its level.
SONORANTS = {
    "m": ((270.0, 1100.0, 2200.0), 0.35),
    "n": ((270.0, 1500.0, 2500.0), 0.35),
    "l": ((330.0, 1150.0, 2800.0), 0.5),
    "w": ((290.0, 650.0, 2150.0), 0.5),
    "y": ((260.0, 2150.0, 3000.0), 0.5),
    "d": ((220.0, 1700.0, 2600.0), 0.05),
}

# A tube of 17 cm resonates about every kilohertz; Klatt's five were enough for a band of 5 kHz, here it is wider.
_UPPER = (3400.0, 4300.0, 5350.0, 6400.0, 7500.0)
_WIDTH = np.array([70.0, 90.0, 120.0, 180.0, 250.0, 320.0, 400.0, 500.0])
_BLOCK = 220
_CONSONANT_SECONDS = 0.075


def sing(frames: int, syllables: Sequence[Syllable], singer: Singer, draw: Draw) -> Signal:
    """Sing syllables in order, one voice, [frames].

    A cascade formant synthesiser (Klatt, "Software for a cascade/parallel formant synthesizer", JASA 1980) whose source
    is the flow derivative of Klatt & Klatt (JASA 1990), with the vibrato and slow drift of singers (Sundberg 1987).
    """
    hz = _pitch_track(frames, syllables, singer, draw)
    level = _level_track(frames, syllables)
    source = _glottis(hz, singer.open_quotient)
    open_now = 0.5 + 0.5 * np.cos(2.0 * np.pi * phase_of(hz))
    breath = high_pass(white_noise(draw.at("breath"), frames), 800.0) * (0.3 + open_now)
    aspirated = singer.breath * breath * level + 0.35 * breath * _consonant_track(frames, syllables, "h")
    voiced = _smoothed(source * level, 0.5 / (np.pi * singer.tilt_hz))
    sung = _tract(voiced + aspirated, _formant_tracks(frames, syllables, singer.tract))
    # Air that passes the lips without a formant is all that lies above the last.
    air = high_pass(breath, 6000.0) * level * (0.006 + 0.08 * singer.breath)
    return _evened(sung) + air + _hiss(frames, syllables, draw.at("hiss"))


def _evened(voice: Signal) -> Signal:
    """Bring a voice to an even level of about a fifth, as every engineer does; quiet onsets stay below the rest."""
    loudness = _smoothed(np.abs(voice), 0.06)
    gain = (loudness + 0.25 * float(loudness.max())) ** -0.6
    evened = voice * gain
    return 0.2 * evened / math.sqrt(float(np.mean(evened**2)))


def _glottis(hz: Signal, open_quotient: float) -> Signal:
    """Return the derivative of the glottal flow t^2 - t^3: a slow opening and a sudden closure.

    The closure is a step; the two frames around it are rounded (polynomial band-limited step: Valimaki & Huovilainen
    2007), else its harmonics fold back.
    """
    turn = np.mod(phase_of(hz), 1.0)
    opening = turn / open_quotient
    flow = np.where(opening < 1.0, 2.0 * opening - 3.0 * opening**2, 0.0)
    step = hz / SAMPLE_RATE
    after = (turn - open_quotient) / step
    rounding = np.where((after >= 0.0) & (after < 1.0), -0.5 * (1.0 - after) ** 2, 0.0)
    rounding += np.where((after < 0.0) & (after > -1.0), 0.5 * (1.0 + after) ** 2, 0.0)
    return flow + rounding


def _pitch_track(frames: int, syllables: Sequence[Syllable], singer: Singer, draw: Draw) -> Signal:
    target = np.full(frames, float(syllables[0].pitch))
    age = np.zeros(frames)
    ends = [*(syllable.start for syllable in syllables[1:]), frames]
    for syllable, end in zip(syllables, ends, strict=True):
        # A voice starts each note a little under it and slides up.
        target[syllable.start : end] = syllable.pitch
        target[syllable.start : syllable.start + seconds_to_frames(0.05)] -= 0.6
        age[syllable.start : end] = time_axis(end - syllable.start)
    gliding = _smoothed(target, 0.022)
    vibrato = 0.01 * singer.vibrato_cents * np.clip((age - 0.2) / 0.3, 0.0, 1.0)
    turns = singer.vibrato_hz * time_axis(frames) + 0.06 * _wander(draw.at("rate"), frames, 2.0)
    drift = 0.08 * _wander(draw.at("drift"), frames, 4.0) + 0.04 * _wander(draw.at("flutter"), frames, 50.0)
    return 440.0 * 2.0 ** ((gliding + vibrato * np.sin(2.0 * np.pi * turns) + drift - 69.0) / 12.0)


def _wander(draw: Draw, frames: int, hz: float) -> Signal:
    """Return a slow random control of unit variance at its corners, of which there are ``hz`` a second."""
    corners = white_noise(draw, math.ceil(frames / SAMPLE_RATE * hz) + 2)
    return np.interp(time_axis(frames) * hz, np.arange(len(corners)), corners)


def _level_track(frames: int, syllables: Sequence[Syllable]) -> Signal:
    target = np.zeros(frames)
    for syllable in syllables:
        begin = max(0, syllable.start - _lead(syllable))
        if syllable.consonant in SONORANTS:
            target[begin : syllable.start] = SONORANTS[syllable.consonant][1] * syllable.level
        held = time_axis(syllable.stop - syllable.start)
        # Notes swell a little and sink: no singer holds a level.
        target[syllable.start : syllable.stop] = syllable.level * (0.8 + 0.2 * np.exp(-(((held - 0.25) / 0.35) ** 2)))
    return _smoothed(_smoothed(target, 0.012), 0.012)


def _lead(syllable: Syllable) -> int:
    return seconds_to_frames(_CONSONANT_SECONDS) if syllable.consonant else 0


def _consonant_track(frames: int, syllables: Sequence[Syllable], consonant: str) -> Signal:
    """Return 1 while a consonant without voice sounds, rounded at its ends."""
    track = np.zeros(frames)
    for syllable in syllables:
        if syllable.consonant == consonant:
            track[max(0, syllable.start - _lead(syllable)) : syllable.start + seconds_to_frames(0.015)] = syllable.level
    return _smoothed(track, 0.01)


def _hiss(frames: int, syllables: Sequence[Syllable], draw: Draw) -> Signal:
    """Friction at the teeth, which does not pass the tract: the s, and the burst of a d."""
    if not any(syllable.consonant in ("s", "d") for syllable in syllables):
        return np.zeros(frames)
    noise = white_noise(draw, frames)
    teeth = high_pass(band_pass(noise, 6800.0, 1.2), 4200.0) * _consonant_track(frames, syllables, "s")
    burst = np.zeros(frames)
    for syllable in syllables:
        if syllable.consonant == "d":
            burst[syllable.start : syllable.start + seconds_to_frames(0.012)] = syllable.level
    return 0.25 * teeth + 0.2 * band_pass(noise, 3200.0, 0.8) * _smoothed(burst, 0.003)


def _formant_tracks(frames: int, syllables: Sequence[Syllable], tract: float) -> Signal:
    """Return the formants [blocks, 8] in Hz, gliding from sound to sound as a tongue does."""
    blocks = -(-frames // _BLOCK)
    target = np.tile(VOWELS[syllables[0].vowel], (blocks, 1))
    for syllable in syllables:
        lead = max(0, syllable.start - _lead(syllable)) // _BLOCK
        if syllable.consonant in SONORANTS:
            target[lead : syllable.start // _BLOCK] = SONORANTS[syllable.consonant][0]
        else:
            target[lead : syllable.start // _BLOCK] = VOWELS[syllable.vowel]
        target[syllable.start // _BLOCK :] = VOWELS[syllable.vowel]
    keep = math.exp(-_BLOCK / SAMPLE_RATE / 0.02)
    gliding = lfilter([1.0 - keep], [1.0, -keep], target - target[0], axis=0) + target[0]
    # In steps of a third of a percent, finer than one hears, so that a held vowel is one filter.
    stepped = np.exp2(np.rint(np.log2(gliding) * 200.0) / 200.0)
    return tract * np.hstack([stepped, np.tile(_UPPER, (blocks, 1))])


def _tract(source: Signal, formants: Signal) -> Signal:
    """Filter through resonators in a row, [blocks, 8] in Hz, each with gain 1 at 0 Hz (Klatt 1980, eq. 1-2)."""
    radius = np.exp(-np.pi * _WIDTH / SAMPLE_RATE)
    back = 2.0 * radius * np.cos(2.0 * np.pi * formants / SAMPLE_RATE)
    sections = np.zeros((*formants.shape, 6))
    sections[:, :, 0] = 1.0 - back + radius**2
    sections[:, :, 3] = 1.0
    sections[:, :, 4] = -back
    sections[:, :, 5] = radius**2
    state = np.zeros((len(_WIDTH), 2))
    result = np.empty_like(source)
    for first, last in _runs(formants):
        part = slice(first * _BLOCK, last * _BLOCK)
        result[part], state = sosfilt(sections[first], source[part], zi=state)
    return result


def _runs(formants: Signal) -> list[tuple[int, int]]:
    """Return the stretches of blocks, from and to, over which no formant changes."""
    changes = np.flatnonzero(np.any(formants[1:] != formants[:-1], axis=1)) + 1
    edges = [0, *changes.tolist(), len(formants)]
    return list(itertools.pairwise(edges))


def _smoothed(track: Signal, seconds: float) -> Signal:
    """Let a control follow its target with a time constant, starting from its first value."""
    keep = math.exp(-1.0 / (seconds * SAMPLE_RATE))
    smooth: Signal = lfilter([1.0 - keep], [1.0, -keep], track - track[0]) + track[0]
    return smooth
