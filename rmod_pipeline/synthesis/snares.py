"""Snare drums: two heads, and wires that rattle against the lower one."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    Signal,
    band_pass,
    decay,
    high_pass,
    low_pass,
    oscillate,
    ring,
    saturate,
    seconds_to_frames,
    swell,
    time_axis,
    uniforms,
    unit_peak,
    white_noise,
)
from rmod_pipeline.synthesis.kicks import MEMBRANE
from rmod_pipeline.synthesis.variation import varies


@dataclass(frozen=True, slots=True, kw_only=True)
class CircuitSnare:
    """An electronic snare drum. Levels are relative to the lower resonator at 1."""

    pitch_hz: float = varies(0.14)
    second: float = varies(0.1, 1.85)
    """The upper resonator's pitch over the lower's."""
    second_level: float = varies(0.4, 0.6)
    bend: float = varies(0.5, 0.4)
    """How far both start above their pitch, as a part of it."""
    seconds: float = varies(0.3, 0.2)
    """Time for the resonators to fall by 60 dB."""
    noise: float = varies(0.35, 0.5)
    noise_hz: float = varies(0.3, 1500.0)
    """The noise's high-pass."""
    noise_seconds: float = varies(0.3, 0.25)
    drive: float = varies(0.4, 0.7)
    tone_hz: float = varies(0.2, 12000.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class WireSnare:
    """An acoustic snare drum. Levels are relative to the lowest mode at 1."""

    pitch_hz: float = varies(0.14)
    glide: float = varies(0.4, 0.12)
    seconds: float = varies(0.3, 0.3)
    """Time for the lowest mode to fall by 60 dB."""
    overtones: float = varies(0.4, 0.5)
    wires: float = varies(0.35, 0.5)
    wires_hz: float = varies(0.25, 3500.0)
    wires_seconds: float = varies(0.3, 0.3)
    stick: float = varies(0.4, 0.4)
    drive: float = varies(0.4, 0.4)
    tone_hz: float = varies(0.2, 14000.0)


def circuit_snare(drum: CircuitSnare, draw: Draw) -> Signal:
    """Two decaying resonators and a burst of high-passed noise.

    After the TR-808 snare (two bridged-T networks near 180 and 330 Hz, and "snappy" noise; Roland service notes 1981)
    and the TR-909's, whose two oscillators also bend down.
    """
    frames = seconds_to_frames(0.02 + 1.15 * max(drum.seconds, drum.noise_seconds))
    time = time_axis(frames)
    bend = 1.0 + drum.bend * np.exp(-time / 0.009)
    rise = swell(frames, 0.0003)
    lower = oscillate(drum.pitch_hz * bend, 0.05) * decay(frames, drum.seconds)
    upper = oscillate(drum.pitch_hz * drum.second * bend, 0.05) * decay(frames, 0.6 * drum.seconds)
    noise = high_pass(low_pass(white_noise(draw.at("noise"), frames), 11000.0), drum.noise_hz)
    # Noise from a circuit has two slopes: the snap of the trigger, and what the envelope leaves.
    shape = 0.5 * decay(frames, drum.noise_seconds) + 0.5 * decay(frames, 0.35 * drum.noise_seconds)
    tone = (lower + drum.second_level * upper) * rise
    sound = saturate(tone + 0.6 * drum.noise * noise * shape, drum.drive)
    return high_pass(low_pass(sound, drum.tone_hz), 0.5 * drum.pitch_hz)


def wire_snare(drum: WireSnare, draw: Draw) -> Signal:
    """A batter head's modes, the stick, and wires that leave the lower head and fall back on it.

    Modes after Fletcher & Rossing, chapter 18.4 and Rossing, Bork, Zhao & Fystrom (JASA 1992); the wires are noise
    whose level follows the head's, a few milliseconds late.
    """
    frames = seconds_to_frames(0.03 + max(1.2 * drum.seconds, 2.0 * drum.wires_seconds))
    time = time_axis(frames)
    glide = 1.0 + drum.glide * np.exp(-time / 0.015)
    head = oscillate(drum.pitch_hz * glide, 0.04) * decay(frames, drum.seconds) * swell(frames, 0.0006)
    # Every mode but the lowest comes twice, a little apart: no head is tuned evenly all around.
    ratio = np.repeat(MEMBRANE[1:], 2) * (1.0 + 0.07 * (uniforms(draw.at("tuning"), 12) - 0.5))
    level = drum.overtones * np.repeat([0.9, 0.7, 0.6, 0.55, 0.45, 0.4], 2) * uniforms(draw.at("level"), 12)
    seconds = 0.9 * drum.seconds / ratio
    upper = ring(frames, drum.pitch_hz * ratio, level, seconds, 0.2 * uniforms(draw.at("phase"), 12))
    stick = unit_peak(band_pass(white_noise(draw.at("stick"), frames), 4200.0, 0.7) * decay(frames, 0.02))
    tone = head + upper + drum.stick * stick
    sound = saturate(tone + drum.wires * _wires(drum, draw.at("wires"), frames), drum.drive)
    return high_pass(low_pass(sound, drum.tone_hz), 0.5 * drum.pitch_hz)


def _wires(drum: WireSnare, draw: Draw, frames: int) -> Signal:
    """Noise in three bands: the shell's and the wires' lowest clatter dies first, the wires' own sizzle last."""
    late = swell(frames, 0.0012)
    # Wires fall back on the head in one clap, then rattle, then whisper.
    shape = 0.5 * decay(frames, 0.3 * drum.wires_seconds) + 0.4 * decay(frames, drum.wires_seconds)
    shape = (shape + 0.1 * decay(frames, 2.0 * drum.wires_seconds)) * late
    clatter = band_pass(white_noise(draw.at("clatter"), frames), 0.22 * drum.wires_hz, 0.5)
    dark = band_pass(white_noise(draw.at("noise"), frames), drum.wires_hz, 0.5)
    bright = high_pass(white_noise(draw.at("bright"), frames), 1.6 * drum.wires_hz)
    rattle = dark * shape + 0.24 * bright * shape * decay(frames, 1.5 * drum.wires_seconds)
    return 0.9 * rattle + 1.5 * clatter * late * decay(frames, 0.45 * drum.wires_seconds)
