"""Bass drums and toms: a head that is struck, by a circuit or by a beater."""

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
from rmod_pipeline.synthesis.variation import varies


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptDrum:
    """An electronic bass drum or tom. Levels are relative to the body at 1."""

    pitch_hz: float = varies(0.12)
    """Where the sweep settles."""
    sweep: float = varies(0.25, 3.0)
    """How far above that it starts, as a multiple of it."""
    sweep_seconds: float = varies(0.4, 0.02)
    """Time constant of the sweep."""
    snap: float = varies(0.4, 8.0)
    """The same for the first milliseconds, where the sweep is a click of its own."""
    hold_seconds: float = varies(0.4, 0.02)
    """How long the level stands before it falls."""
    seconds: float = varies(0.35)
    """Time to fall by 60 dB."""
    click: float = varies(0.8, 0.15)
    click_hz: float = varies(0.3, 3000.0)
    hiss: float = varies(0.6, 0.01)
    """Noise that lasts as long as the body's first half."""
    drive: float = varies(0.4, 0.8)
    tone_hz: float = varies(0.3, 7000.0)
    """A low-pass over all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HeadDrum:
    """An acoustic bass drum or tom. Levels are relative to the lowest mode at 1."""

    pitch_hz: float = varies(0.12)
    glide: float = varies(0.4, 0.45)
    """How far the pitch starts above, as a part of it: a hard blow tightens the head."""
    seconds: float = varies(0.3)
    """Time for the lowest mode to fall by 60 dB."""
    overtones: float = varies(0.4, 0.35)
    beater: float = varies(0.6, 0.3)
    beater_hz: float = varies(0.3, 2800.0)
    """Centre of the beater's noise: felt is low, wood and plastic are high."""
    air: float = varies(0.5, 0.06)
    """Noise of shell, snares in sympathy and moving air."""
    drive: float = varies(0.4, 0.4)
    tone_hz: float = varies(0.3, 9000.0)


# Zeros of Bessel functions over the first: an ideal membrane's modes (0,1), (1,1), (2,1), (0,2), (3,1), (1,2), (4,1).
MEMBRANE = np.array([1.0, 1.593, 2.136, 2.295, 2.653, 2.917, 3.156])


def swept_drum(drum: SweptDrum, draw: Draw) -> Signal:
    """A bridged-T resonator whose pitch falls after the trigger, a click, an overdriven stage.

    After the circuit analysis of the TR-808 bass drum (Werner, Abel & Smith, DAFx 2014) and, for the longer sweep and
    the separate click and noise, the TR-909's.
    """
    frames = seconds_to_frames(0.02 + drum.hold_seconds + 1.15 * drum.seconds)
    time = time_axis(frames)
    hz = drum.pitch_hz * (
        1.0 + (drum.sweep - 1.0) * np.exp(-time / drum.sweep_seconds) + drum.snap * np.exp(-time / 0.0016)
    )
    late = np.maximum(time - drum.hold_seconds, 0.0)
    level = np.exp(late * (-6.9078 / drum.seconds)) * swell(frames, 0.0004)
    click = _click(draw.at("click"), frames, drum.click_hz, 0.018)
    hiss = high_pass(low_pass(white_noise(draw.at("hiss"), frames), 6000.0), 400.0) * decay(frames, 0.5 * drum.seconds)
    driven = saturate(oscillate(hz, 0.06) * level + drum.click * click, drum.drive)
    return low_pass(driven + drum.hiss * hiss, drum.tone_hz)


def head_drum(drum: HeadDrum, draw: Draw) -> Signal:
    """A circular membrane over an air cavity, struck by a beater.

    Modes of the ideal membrane, raised and damped as two coupled heads are; the lowest glides down as the tension
    relaxes (Fletcher & Rossing, The Physics of Musical Instruments, chapter 18; Rossing et al. 1992).
    """
    frames = seconds_to_frames(0.03 + 1.15 * drum.seconds)
    time = time_axis(frames)
    hz = drum.pitch_hz * (1.0 + drum.glide * np.exp(-time / 0.028))
    body = oscillate(hz, 0.03) * decay(frames, drum.seconds) * swell(frames, 0.0007)
    # Two heads and the air between them raise the second mode; higher ones ring ever shorter.
    ratio = 1.12 * MEMBRANE[1:] * (1.0 + 0.06 * (uniforms(draw.at("tuning"), 6) - 0.5))
    level = drum.overtones * np.array([1.3, 0.9, 0.6, 0.45, 0.35, 0.3]) * (0.6 + 0.8 * uniforms(draw.at("level"), 6))
    seconds = 0.55 * drum.seconds / ratio
    upper = ring(frames, drum.pitch_hz * ratio, level, seconds, 0.25 * uniforms(draw.at("phase"), 6))
    beater = _click(draw.at("beater"), frames, drum.beater_hz, 0.03)
    air = band_pass(white_noise(draw.at("air"), frames), 300.0, 0.3) * decay(frames, 0.6 * drum.seconds)
    driven = saturate(body + upper + 1.5 * drum.beater * beater + 2.0 * drum.air * air, drum.drive)
    return low_pass(driven, drum.tone_hz)


def _click(draw: Draw, frames: int, hz: float, seconds: float) -> Signal:
    """A beater's contact: a burst of noise around a frequency above a short thump, peak 1."""
    noise = white_noise(draw, frames)
    # The slap is short, the rattle of all that it touches lasts some times longer.
    slap = band_pass(noise, hz, 0.6) * decay(frames, seconds)
    rattle = band_pass(noise, 0.5 * hz, 0.5) * decay(frames, 3.0 * seconds)
    burst = slap + 0.3 * rattle
    thump = np.sin(np.pi * np.minimum(time_axis(frames) / 0.0022, 1.0))
    return unit_peak(unit_peak(burst) + 0.6 * thump)
