"""Strings that are plucked and struck, the tines of an electric piano, and the oscillators of synthetic basses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    band_pass,
    decay,
    faded,
    high_pass,
    low_pass,
    phase_of,
    ring,
    saturate,
    seconds_to_frames,
    swell,
    time_axis,
    uniforms,
    white_noise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pluck:
    """How a string is plucked and what it is made of."""

    position: float = 0.18
    """Where, as a part of its length: a harmonic with a node there is missing."""
    tone_hz: float = 5000.0
    """Softness of pick or finger: a low-pass on the excitation."""
    seconds: float = 3.0
    """Time for the string to fall by 60 dB."""
    damping: float = 0.2
    """How much faster high harmonics die, 0 to 0.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blow:
    """One excitation of a sounding string: at a frame, with a level."""

    frame: int
    level: float


def plucked_string(hz: float, frames: int, blows: Sequence[Blow], pluck: Pluck, draw: Draw) -> Signal:
    """A string as a delay line that is filled with noise and averages itself away.

    Karplus & Strong, Computer Music Journal 7(2), 1983, with the tuning, the loss filter and the pick position of Jaffe
    & Smith in the same issue. A string that is plucked again goes on from where it is.
    """
    period = SAMPLE_RATE / hz
    excitation = np.zeros(frames)
    for number, blow in enumerate(blows):
        _add(excitation, _burst(period, pluck, draw.at(number)) * blow.level, blow.frame)
    # The loss filter delays by its damping; three to four frames more belong to the interpolation.
    whole = math.floor(period - pluck.damping - 1.0)
    taps = np.convolve([1.0 - pluck.damping, pluck.damping], _lagrange(period - pluck.damping - whole))
    return _loop(excitation, taps * 10.0 ** (-3.0 / (hz * pluck.seconds)), whole)


def _loop(excitation: Signal, taps: Signal, delay: int) -> Signal:
    """Solve y[n] = x[n] + sum of taps[k] y[n - delay - k], a period at a time, as it needs nothing newer."""
    before = delay + len(taps) - 1
    line = np.concatenate([np.zeros(before), excitation])
    for start in range(before, len(line), delay):
        stop = min(start + delay, len(line))
        line[start:stop] += np.convolve(line[start - before : stop - delay], taps, mode="valid")
    return line[before:]


def _lagrange(delay: float) -> Signal:
    """Return the four taps of a cubic interpolation at a delay of 1 to 2 frames."""
    at = np.arange(4.0)
    return np.array([math.prod((delay - other) / (own - other) for other in at if other != own) for own in at])


def _burst(period: float, pluck: Pluck, draw: Draw) -> Signal:
    """Return the excitation: a sharp bend that is let go, and noise, both short of the harmonics that are held down.

    Noise alone, as first published, gives every note another tone colour; a string that is let go has always the same.
    """
    frames = max(8, round(period))
    burst = np.zeros(2 * frames + 2)
    burst[:frames] = 0.3 * white_noise(draw, frames)
    burst[0] += 0.8 * math.sqrt(frames)
    comb = max(1, round(pluck.position * period))
    burst[comb:] -= 0.9 * burst[:-comb].copy()
    # The mean of the burst would stay in the loop as an offset.
    burst[: frames + comb] -= burst.sum() / (frames + comb)
    return low_pass(burst, pluck.tone_hz, 0.5) * (3.0 / math.sqrt(frames))


def _add(target: Signal, sound: Signal, frame: int) -> None:
    stop = min(len(target), frame + len(sound))
    target[frame:stop] += sound[: stop - frame]


def piano_note(pitch: float, seconds: float, level: float, draw: Draw) -> Signal:
    """A struck string group: stiff partials, the hammer's spectrum, two-stage decay, and the thump of the case.

    Partials n f sqrt(1 + B n^2) and hammer position after Fletcher & Rossing, chapter 12; the fast and slow decay of
    coupled strings after Weinreich (JASA 1977). ``pitch`` in MIDI numbers; ``level`` 0 to 1 is also the hammer's force.
    """
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    frames = seconds_to_frames(seconds + 0.25)
    order = np.arange(1.0, 1.0 + min(48, int(12_000.0 / hz)))
    stiffness = 3.5e-4 * 2.0 ** ((pitch - 60.0) / 9.5)
    partial = hz * order * np.sqrt(1.0 + min(stiffness, 0.02) * order**2)
    # Felt is stiffer the harder it is pressed, so a strong blow is a bright one.
    softness = 700.0 + 2600.0 * level**1.5 + 0.6 * hz
    spectrum = np.abs(np.sin(np.pi * order / 8.3)) / order**0.6 * np.exp(-partial / softness)
    long = np.maximum(0.15, 14.0 * 2.0 ** (-(pitch - 36.0) / 13.0) / (1.0 + (partial / 1100.0) ** 1.2))
    # Two of the strings are a fraction of a hertz apart; together they decay fast, then slowly.
    apart = 1.0 + (0.00018 + 0.0002 * uniforms(draw.at("tuning"), len(order)))
    note = ring(
        frames,
        np.concatenate([partial, partial * apart]),
        np.concatenate([0.65 * spectrum, 0.35 * spectrum]),
        np.concatenate([0.35 * long, long]),
        np.concatenate([0.25 * uniforms(draw.at("phase"), len(order))] * 2),
    )
    thump = band_pass(white_noise(draw.at("thump"), frames), 260.0, 0.7) * decay(frames, 0.09)
    sounding = note / math.sqrt(float(np.sum(spectrum**2))) + 0.5 * thump
    return _damped(sounding * swell(frames, 0.0015) * (0.3 + 0.7 * level), seconds, 0.12)


def tine_note(pitch: float, seconds: float, level: float) -> Signal:
    """An electric piano: a tine over its tone bar, as two pairs of frequency modulation.

    Chowning (JAES 1973); the ratios 1:1 and 1:14 are those of the well-known six-operator electric pianos.
    """
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    frames = seconds_to_frames(seconds + 0.25)
    phase = 2.0 * np.pi * hz * time_axis(frames)
    slow = decay(frames, 5.0 * 2.0 ** (-(pitch - 60.0) / 24.0))
    bar = np.sin(phase + 1.3 * level * decay(frames, 2.2) * np.sin(phase))
    tine = np.sin(phase * 1.0005 + 0.35 * level**2 * decay(frames, 0.5) * np.sin(14.0 * phase))
    return _damped((0.6 * bar + 0.4 * tine) * slow * swell(frames, 0.001) * (0.3 + 0.7 * level), seconds, 0.1)


def plucked_bass(pitch: float, seconds: float, level: float, tone_hz: float, draw: Draw) -> Signal:
    """A bass guitar: a plucked string through a pickup and a dull amplifier."""
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    frames = seconds_to_frames(seconds + 0.1)
    pluck = Pluck(position=0.22, tone_hz=tone_hz * (0.5 + level), seconds=3.5, damping=0.42)
    string = plucked_string(hz, frames, [Blow(frame=0, level=1.0)], pluck, draw)
    # What the loop holds of the lowest harmonic is weak for a noise burst: a bass needs it whole.
    ground = np.sin(2.0 * np.pi * hz * time_axis(frames)) * decay(frames, 2.5) * swell(frames, 0.004)
    warm = low_pass(3.0 * string, 2.2 * tone_hz) + 0.45 * ground
    return _damped(saturate(warm, 0.8) * (0.3 + 0.7 * level), seconds, 0.06)


def analogue_bass(pitch: float, seconds: float, level: float, tone_hz: float) -> Signal:
    """A sawtooth and a square an octave below through a filter that closes: a subtractive synthesiser.

    The sawtooth is summed from its harmonics, each of which dies as the filter's edge falls past it.
    """
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0)
    frames = seconds_to_frames(seconds + 0.06)
    order = np.arange(1.0, 1.0 + min(60, int(9000.0 / hz)))
    edge = tone_hz * (0.4 + 1.2 * level)
    sustained = 1.0 / (1.0 + (hz * order / (0.55 * edge)) ** 4)
    opened = 1.0 / (1.0 + (hz * order / (3.0 * edge)) ** 4) - sustained
    body = ring(frames, hz * order, sustained / order, np.full(len(order), 9.0), np.zeros(len(order)))
    bite = ring(frames, hz * order, opened / order, np.full(len(order), 0.35), np.zeros(len(order)))
    below = 0.35 * np.sin(np.pi * hz * time_axis(frames)) if pitch > 40 else 0.0
    sound = saturate(0.6 * body + 0.6 * bite + below, 1.2) * swell(frames, 0.002)
    return _damped(sound * (0.3 + 0.7 * level), seconds, 0.03)


def sub_bass(pitch: float, seconds: float, level: float, drive: float) -> Signal:
    """A long bass-drum tone that is played as a bass: a sine that falls onto its pitch, overdriven."""
    frames = seconds_to_frames(seconds + 0.08)
    hz = 440.0 * 2.0 ** ((pitch - 69.0) / 12.0) * (1.0 + 1.5 * np.exp(-time_axis(frames) / 0.008))
    sine = np.sin(2.0 * np.pi * phase_of(hz)) * decay(frames, 4.0) * swell(frames, 0.002)
    return _damped(high_pass(saturate(sine, drive), 25.0) * (0.4 + 0.6 * level), seconds, 0.05)


def _damped(sound: Signal, seconds: float, release: float) -> Signal:
    """Let a damper fall on a note when its key is released."""
    frames = min(len(sound), seconds_to_frames(seconds + release))
    held = seconds_to_frames(seconds)
    level = np.ones(frames)
    if frames > held:
        level[held:] = np.exp(-5.0 * np.arange(frames - held) / (frames - held))
    return faded(sound[:frames] * level, seconds_to_frames(0.008))
