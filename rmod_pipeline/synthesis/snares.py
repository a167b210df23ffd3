"""Synthesise snare drums: an electronic circuit, or two heads with wires that rattle against the lower one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    Signal,
    band_pass,
    decay_envelope,
    high_pass,
    low_pass,
    normalize_peak,
    random_uniform,
    rise_envelope,
    saturate,
    seconds_to_frames,
    sine_oscillator,
    sum_damped_sines,
    time_axis,
    white_noise,
)
from rmod_pipeline.synthesis.kicks import MEMBRANE_RATIOS
from rmod_pipeline.synthesis.variation import variable_field


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSnare:
    """Parameters of an electronic snare drum. Levels are relative to the lower resonator at 1."""

    pitch_hz: float = variable_field(0.14)
    second: float = variable_field(0.1, 1.85)
    """Pitch of the upper resonator, as a multiple of the lower one's."""
    second_level: float = variable_field(0.4, 0.6)
    bend: float = variable_field(0.5, 0.4)
    """Excess of the initial pitch of both resonators, as a fraction of the pitch."""
    seconds: float = variable_field(0.3, 0.2)
    """Time for the resonators to fall by 60 dB."""
    noise: float = variable_field(0.35, 0.5)
    noise_hz: float = variable_field(0.3, 1500.0)
    """Cutoff of the noise's high-pass."""
    noise_seconds: float = variable_field(0.3, 0.25)
    drive: float = variable_field(0.4, 0.7)
    tone_hz: float = variable_field(0.2, 12000.0)
    """Cutoff of the final low-pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSnare:
    """Parameters of an acoustic snare drum. Levels are relative to the lowest mode at 1."""

    pitch_hz: float = variable_field(0.14)
    glide: float = variable_field(0.4, 0.12)
    """Excess of the initial pitch, as a fraction of the pitch."""
    seconds: float = variable_field(0.3, 0.3)
    """Time for the lowest mode to fall by 60 dB."""
    overtones: float = variable_field(0.4, 0.5)
    wires: float = variable_field(0.35, 0.5)
    wires_hz: float = variable_field(0.25, 3500.0)
    wires_seconds: float = variable_field(0.3, 0.3)
    stick: float = variable_field(0.4, 0.4)
    drive: float = variable_field(0.4, 0.4)
    tone_hz: float = variable_field(0.2, 14000.0)
    """Cutoff of the final low-pass."""


def synthesize_circuit_snare(drum: CircuitSnare, draw: Draw) -> Signal:
    """Return two decaying resonators and a burst of high-passed noise.

    Based on the TR-808 snare (two bridged-T networks near 180 and 330 Hz, and "snappy" noise; Roland service notes
    1981) and on the TR-909 snare, whose two oscillators also bend down.
    """
    frames = seconds_to_frames(0.02 + 1.15 * max(drum.seconds, drum.noise_seconds))
    time = time_axis(frames)
    bend = 1.0 + drum.bend * np.exp(-time / 0.009)
    rise = rise_envelope(frames, 0.0003)
    lower = sine_oscillator(drum.pitch_hz * bend, 0.05) * decay_envelope(frames, drum.seconds)
    upper = sine_oscillator(drum.pitch_hz * drum.second * bend, 0.05) * decay_envelope(frames, 0.6 * drum.seconds)
    noise = high_pass(low_pass(white_noise(draw.at("noise"), frames), 11000.0), drum.noise_hz)
    # The noise decays with two slopes: the fast one of the trigger and the slow one of the envelope.
    slow, fast = decay_envelope(frames, drum.noise_seconds), decay_envelope(frames, 0.35 * drum.noise_seconds)
    tone = (lower + drum.second_level * upper) * rise
    sound = saturate(tone + 0.6 * drum.noise * noise * (0.5 * slow + 0.5 * fast), drum.drive)
    return high_pass(low_pass(sound, drum.tone_hz), 0.5 * drum.pitch_hz)


def synthesize_wire_snare(drum: WireSnare, draw: Draw) -> Signal:
    """Return a batter head with its modes, the stick, and wires that leave the lower head and fall back on it.

    Modes follow Fletcher & Rossing, chapter 18.4 and Rossing, Bork, Zhao & Fystrom (JASA 1992). The wires are noise
    whose level follows that of the head with a delay of a few milliseconds.
    """
    frames = seconds_to_frames(0.03 + max(1.2 * drum.seconds, 2.0 * drum.wires_seconds))
    time = time_axis(frames)
    glide = 1.0 + drum.glide * np.exp(-time / 0.015)
    head = sine_oscillator(drum.pitch_hz * glide, 0.04) * decay_envelope(frames, drum.seconds)
    head = head * rise_envelope(frames, 0.0006)
    # Every mode except the lowest occurs twice with a small detuning, because no head is tuned evenly.
    ratio = np.repeat(MEMBRANE_RATIOS[1:], 2) * (1.0 + 0.07 * (random_uniform(draw.at("tuning"), 12) - 0.5))
    weights = np.repeat([0.9, 0.7, 0.6, 0.55, 0.45, 0.4], 2)
    level = drum.overtones * weights * random_uniform(draw.at("level"), 12)
    seconds = 0.9 * drum.seconds / ratio
    start = 0.2 * random_uniform(draw.at("phase"), 12)
    overtones = sum_damped_sines(frames, drum.pitch_hz * ratio, level, seconds, start)
    stick_noise = band_pass(white_noise(draw.at("stick"), frames), 4200.0, 0.7)
    stick = normalize_peak(stick_noise * decay_envelope(frames, 0.02))
    tone = head + overtones + drum.stick * stick
    sound = saturate(tone + drum.wires * _synthesize_wires(drum, draw.at("wires"), frames), drum.drive)
    return high_pass(low_pass(sound, drum.tone_hz), 0.5 * drum.pitch_hz)


def _synthesize_wires(drum: WireSnare, draw: Draw, frames: int) -> Signal:
    """Return noise in three bands: the clatter of shell and wires decays first, the hiss of the wires last."""
    rise = rise_envelope(frames, 0.0012)
    # The wires hit the head once, then rattle, then rustle: three decay times.
    shape = 0.5 * decay_envelope(frames, 0.3 * drum.wires_seconds) + 0.4 * decay_envelope(frames, drum.wires_seconds)
    shape = (shape + 0.1 * decay_envelope(frames, 2.0 * drum.wires_seconds)) * rise
    clatter = band_pass(white_noise(draw.at("clatter"), frames), 0.22 * drum.wires_hz, 0.5)
    dark = band_pass(white_noise(draw.at("noise"), frames), drum.wires_hz, 0.5)
    bright = high_pass(white_noise(draw.at("bright"), frames), 1.6 * drum.wires_hz)
    rattle = dark * shape + 0.24 * bright * shape * decay_envelope(frames, 1.5 * drum.wires_seconds)
    return 0.9 * rattle + 1.5 * clatter * rise * decay_envelope(frames, 0.45 * drum.wires_seconds)
