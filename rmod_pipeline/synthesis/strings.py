"""Synthesise plucked and struck strings, the tines of an electric piano, and synthetic basses."""

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
    decay_envelope,
    fade_end,
    high_pass,
    integrate_frequency,
    low_pass,
    midi_to_hz,
    random_uniform,
    rise_envelope,
    saturate,
    seconds_to_frames,
    sum_damped_sines,
    time_axis,
    white_noise,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class PluckedString:
    """Parameters of a string and of how it is plucked."""

    position: float = 0.18
    """Plucking point as a fraction of the string's length; harmonics with a node there are missing."""
    tone_hz: float = 5000.0
    """Cutoff of a low-pass on the excitation: low for a soft finger, high for a hard pick."""
    seconds: float = 3.0
    """Time for the string to fall by 60 dB."""
    damping: float = 0.2
    """Additional loss of high harmonics, 0 to 0.5."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pluck:
    """One excitation of a string."""

    frame: int
    level: float


def synthesize_plucked_string(
    hz: float, frames: int, plucks: Sequence[Pluck], string: PluckedString, draw: Draw
) -> Signal:
    """Return a string as a delay line that is filled with noise and averages it until it is silent.

    Karplus & Strong, Computer Music Journal 7(2), 1983, with the tuning, the loss filter and the pick position of Jaffe
    & Smith in the same issue. A second pluck adds to the present vibration.
    """
    period = SAMPLE_RATE / hz
    excitation = np.zeros(frames)
    for number, pluck in enumerate(plucks):
        _add_at(excitation, _make_burst(period, string, draw.at(number)) * pluck.level, pluck.frame)
    # The loss filter delays by ``damping`` frames, and the interpolation by one to two.
    delay = math.floor(period - string.damping - 1.0)
    taps = np.convolve([1.0 - string.damping, string.damping], _lagrange_taps(period - string.damping - delay))
    return _run_delay_line(excitation, taps * 10.0 ** (-3.0 / (hz * string.seconds)), delay)


def _run_delay_line(excitation: Signal, taps: Signal, delay: int) -> Signal:
    """Solve y[n] = x[n] + sum over k of taps[k] y[n - delay - k], one period at a time."""
    history = delay + len(taps) - 1
    line = np.concatenate([np.zeros(history), excitation])
    for start in range(history, len(line), delay):
        stop = min(start + delay, len(line))
        line[start:stop] += np.convolve(line[start - history : stop - delay], taps, mode="valid")
    return line[history:]


def _lagrange_taps(delay: float) -> Signal:
    """Return the four taps of a cubic interpolation at a delay of 1 to 2 frames."""
    nodes = np.arange(4.0)
    return np.array([math.prod((delay - other) / (node - other) for other in nodes if other != node) for node in nodes])


def _make_burst(period: float, string: PluckedString, draw: Draw) -> Signal:
    """Return the excitation of one pluck: an impulse and noise, without the harmonics that the position suppresses.

    Noise alone, as first published, gives every note a different timbre; the impulse keeps the timbre constant.
    """
    frames = max(8, round(period))
    burst = np.zeros(2 * frames + 2)
    burst[:frames] = 0.3 * white_noise(draw, frames)
    burst[0] += 0.8 * math.sqrt(frames)
    comb_delay = max(1, round(string.position * period))
    burst[comb_delay:] -= 0.9 * burst[:-comb_delay].copy()
    # A mean value would stay in the loop as a constant offset.
    burst[: frames + comb_delay] -= burst.sum() / (frames + comb_delay)
    return low_pass(burst, string.tone_hz, 0.5) * (3.0 / math.sqrt(frames))


def _add_at(target: Signal, sound: Signal, frame: int) -> None:
    stop = min(len(target), frame + len(sound))
    target[frame:stop] += sound[: stop - frame]


def synthesize_piano_note(pitch: float, seconds: float, level: float, draw: Draw) -> Signal:
    """Return a struck group of strings: stiff partials, hammer spectrum, two-stage decay, and the thump of the case.

    Partials n f sqrt(1 + B n^2) and the hammer position follow Fletcher & Rossing, chapter 12; the fast and the slow
    decay of coupled strings follow Weinreich (JASA 1977). ``pitch`` is a MIDI note; ``level``, 0 to 1, is also the
    force of the hammer.
    """
    hz = midi_to_hz(pitch)
    frames = seconds_to_frames(seconds + 0.25)
    order = np.arange(1.0, 1.0 + min(48, int(12_000.0 / hz)))
    stiffness = 3.5e-4 * 2.0 ** ((pitch - 60.0) / 9.5)
    partial_hz = hz * order * np.sqrt(1.0 + min(stiffness, 0.02) * order**2)
    # Felt becomes stiffer under pressure, so a strong hit is bright.
    hammer_hz = 700.0 + 2600.0 * level**1.5 + 0.6 * hz
    spectrum = np.abs(np.sin(np.pi * order / 8.3)) / order**0.6 * np.exp(-partial_hz / hammer_hz)
    slow_seconds = 14.0 * 2.0 ** (-(pitch - 36.0) / 13.0) / (1.0 + (partial_hz / 1100.0) ** 1.2)
    slow_seconds = np.maximum(0.15, slow_seconds)
    # Two strings are detuned by a fraction of a hertz; together they decay fast, then slowly.
    detuning = 1.0 + (0.00018 + 0.0002 * random_uniform(draw.at("tuning"), len(order)))
    note = sum_damped_sines(
        frames,
        np.concatenate([partial_hz, partial_hz * detuning]),
        np.concatenate([0.65 * spectrum, 0.35 * spectrum]),
        np.concatenate([0.35 * slow_seconds, slow_seconds]),
        np.concatenate([0.25 * random_uniform(draw.at("phase"), len(order))] * 2),
    )
    thump = band_pass(white_noise(draw.at("thump"), frames), 260.0, 0.7) * decay_envelope(frames, 0.09)
    sound = note / math.sqrt(float(np.sum(spectrum**2))) + 0.5 * thump
    return _apply_release(sound * rise_envelope(frames, 0.0015) * (0.3 + 0.7 * level), seconds, 0.12)


def synthesize_electric_piano_note(pitch: float, seconds: float, level: float) -> Signal:
    """Return a tine over its tone bar, as two pairs of oscillators with frequency modulation.

    Chowning (JAES 1973); the ratios 1:1 and 1:14 are those of well-known six-operator electric pianos. ``pitch`` is a
    MIDI note, ``level`` is 0 to 1.
    """
    hz = midi_to_hz(pitch)
    frames = seconds_to_frames(seconds + 0.25)
    phase = 2.0 * np.pi * hz * time_axis(frames)
    decay = decay_envelope(frames, 5.0 * 2.0 ** (-(pitch - 60.0) / 24.0))
    bar = np.sin(phase + 1.3 * level * decay_envelope(frames, 2.2) * np.sin(phase))
    tine = np.sin(phase * 1.0005 + 0.35 * level**2 * decay_envelope(frames, 0.5) * np.sin(14.0 * phase))
    sound = (0.6 * bar + 0.4 * tine) * decay * rise_envelope(frames, 0.001) * (0.3 + 0.7 * level)
    return _apply_release(sound, seconds, 0.1)


def synthesize_plucked_bass(pitch: float, seconds: float, level: float, tone_hz: float, draw: Draw) -> Signal:
    """Return a bass guitar: a plucked string through a pickup and a dark amplifier."""
    hz = midi_to_hz(pitch)
    frames = seconds_to_frames(seconds + 0.1)
    string = PluckedString(position=0.22, tone_hz=tone_hz * (0.5 + level), seconds=3.5, damping=0.42)
    sound = synthesize_plucked_string(hz, frames, [Pluck(frame=0, level=1.0)], string, draw)
    # A noise burst excites the fundamental only weakly, but a bass needs a strong one.
    fundamental = np.sin(2.0 * np.pi * hz * time_axis(frames)) * decay_envelope(frames, 2.5)
    fundamental = fundamental * rise_envelope(frames, 0.004)
    amplified = low_pass(3.0 * sound, 2.2 * tone_hz) + 0.45 * fundamental
    return _apply_release(saturate(amplified, 0.8) * (0.3 + 0.7 * level), seconds, 0.06)


def synthesize_analogue_bass(pitch: float, seconds: float, level: float, tone_hz: float) -> Signal:
    """Return a subtractive synthesiser: a sawtooth and a sub-octave sine through a filter that closes.

    The sawtooth is a sum of its harmonics; each harmonic decays when the filter's cutoff falls below it.
    """
    hz = midi_to_hz(pitch)
    frames = seconds_to_frames(seconds + 0.06)
    order = np.arange(1.0, 1.0 + min(60, int(9000.0 / hz)))
    cutoff_hz = tone_hz * (0.4 + 1.2 * level)
    sustained = 1.0 / (1.0 + (hz * order / (0.55 * cutoff_hz)) ** 4)
    transient = 1.0 / (1.0 + (hz * order / (3.0 * cutoff_hz)) ** 4) - sustained
    start = np.zeros(len(order))
    body = sum_damped_sines(frames, hz * order, sustained / order, np.full(len(order), 9.0), start)
    attack = sum_damped_sines(frames, hz * order, transient / order, np.full(len(order), 0.35), start)
    sub_octave = 0.35 * np.sin(np.pi * hz * time_axis(frames)) if pitch > 40 else 0.0
    sound = saturate(0.6 * body + 0.6 * attack + sub_octave, 1.2) * rise_envelope(frames, 0.002)
    return _apply_release(sound * (0.3 + 0.7 * level), seconds, 0.03)


def synthesize_sub_bass(pitch: float, seconds: float, level: float, drive: float) -> Signal:
    """Return an overdriven sine that falls onto its pitch: a long bass drum that is played as a bass."""
    frames = seconds_to_frames(seconds + 0.08)
    hz = midi_to_hz(pitch) * (1.0 + 1.5 * np.exp(-time_axis(frames) / 0.008))
    sine = np.sin(2.0 * np.pi * integrate_frequency(hz)) * decay_envelope(frames, 4.0) * rise_envelope(frames, 0.002)
    return _apply_release(high_pass(saturate(sine, drive), 25.0) * (0.4 + 0.6 * level), seconds, 0.05)


def _apply_release(sound: Signal, seconds: float, release: float) -> Signal:
    """Damp a note after ``seconds``, when its key is released, within ``release`` seconds."""
    frames = min(len(sound), seconds_to_frames(seconds + release))
    held = seconds_to_frames(seconds)
    level = np.ones(frames)
    if frames > held:
        level[held:] = np.exp(-5.0 * np.arange(frames - held) / (frames - held))
    return fade_end(sound[:frames] * level, seconds_to_frames(0.008))
