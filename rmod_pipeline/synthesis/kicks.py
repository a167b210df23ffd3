"""Synthesise bass drums and toms: an electronic circuit or a membrane that a beater strikes."""

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
from rmod_pipeline.synthesis.variation import variable_field


@dataclass(frozen=True, slots=True, kw_only=True)
class SweptDrum:
    """Parameters of an electronic bass drum or tom. Levels are relative to the body at 1."""

    pitch_hz: float = variable_field(0.12)
    """Final pitch of the sweep."""
    sweep: float = variable_field(0.25, 3.0)
    """Initial pitch of the sweep, as a multiple of the final pitch."""
    sweep_seconds: float = variable_field(0.4, 0.02)
    """Time constant of the sweep."""
    snap: float = variable_field(0.4, 8.0)
    """Additional pitch in the first milliseconds, as a multiple of the final pitch; it sounds like a click."""
    hold_seconds: float = variable_field(0.4, 0.02)
    """Time before the level begins to fall."""
    seconds: float = variable_field(0.35)
    """Time to fall by 60 dB."""
    click: float = variable_field(0.8, 0.15)
    click_hz: float = variable_field(0.3, 3000.0)
    hiss: float = variable_field(0.6, 0.01)
    """Level of noise that decays twice as fast as the body."""
    drive: float = variable_field(0.4, 0.8)
    tone_hz: float = variable_field(0.3, 7000.0)
    """Cutoff of the final low-pass."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MembraneDrum:
    """Parameters of an acoustic bass drum or tom. Levels are relative to the lowest mode at 1."""

    pitch_hz: float = variable_field(0.12)
    glide: float = variable_field(0.4, 0.45)
    """Excess of the initial pitch, as a fraction of the pitch: a strong hit raises the tension of the membrane."""
    seconds: float = variable_field(0.3)
    """Time for the lowest mode to fall by 60 dB."""
    overtones: float = variable_field(0.4, 0.35)
    beater: float = variable_field(0.6, 0.3)
    beater_hz: float = variable_field(0.3, 2800.0)
    """Centre frequency of the beater's noise: low for felt, high for wood and plastic."""
    air: float = variable_field(0.5, 0.06)
    """Level of the noise of shell, resonating snare wires and moving air."""
    drive: float = variable_field(0.4, 0.4)
    tone_hz: float = variable_field(0.3, 9000.0)
    """Cutoff of the final low-pass."""


MEMBRANE_RATIOS = np.array([1.0, 1.593, 2.136, 2.295, 2.653, 2.917, 3.156])
"""Frequencies of an ideal membrane's modes (0,1), (1,1), (2,1), (0,2), (3,1), (1,2), (4,1), relative to the first.

They are the zeros of Bessel functions, divided by the first zero."""


def synthesize_swept_drum(drum: SweptDrum, draw: Draw) -> Signal:
    """Return a bridged-T resonator whose pitch falls after the trigger, with a click and an overdriven stage.

    Based on the circuit analysis of the TR-808 bass drum (Werner, Abel & Smith, DAFx 2014). The longer sweep and the
    separate click and noise follow the TR-909.
    """
    frames = seconds_to_frames(0.02 + drum.hold_seconds + 1.15 * drum.seconds)
    time = time_axis(frames)
    hz = drum.pitch_hz * (
        1.0 + (drum.sweep - 1.0) * np.exp(-time / drum.sweep_seconds) + drum.snap * np.exp(-time / 0.0016)
    )
    decay_time = np.maximum(time - drum.hold_seconds, 0.0)
    level = np.exp(decay_time * (-6.9078 / drum.seconds)) * rise_envelope(frames, 0.0004)
    click = _synthesize_click(draw.at("click"), frames, drum.click_hz, 0.018)
    noise = high_pass(low_pass(white_noise(draw.at("hiss"), frames), 6000.0), 400.0)
    hiss = noise * decay_envelope(frames, 0.5 * drum.seconds)
    driven = saturate(sine_oscillator(hz, 0.06) * level + drum.click * click, drum.drive)
    return low_pass(driven + drum.hiss * hiss, drum.tone_hz)


def synthesize_membrane_drum(drum: MembraneDrum, draw: Draw) -> Signal:
    """Return a circular membrane over an air cavity, struck by a beater.

    The modes of the ideal membrane are raised and damped like those of two coupled heads; the lowest mode glides down
    as the tension relaxes (Fletcher & Rossing, The Physics of Musical Instruments, chapter 18; Rossing et al. 1992).
    """
    frames = seconds_to_frames(0.03 + 1.15 * drum.seconds)
    time = time_axis(frames)
    hz = drum.pitch_hz * (1.0 + drum.glide * np.exp(-time / 0.028))
    body = sine_oscillator(hz, 0.03) * decay_envelope(frames, drum.seconds) * rise_envelope(frames, 0.0007)
    # The coupling of two heads by the enclosed air raises the upper modes; higher modes decay faster.
    ratio = 1.12 * MEMBRANE_RATIOS[1:] * (1.0 + 0.06 * (random_uniform(draw.at("tuning"), 6) - 0.5))
    weights = np.array([1.3, 0.9, 0.6, 0.45, 0.35, 0.3])
    level = drum.overtones * weights * (0.6 + 0.8 * random_uniform(draw.at("level"), 6))
    seconds = 0.55 * drum.seconds / ratio
    start = 0.25 * random_uniform(draw.at("phase"), 6)
    overtones = sum_damped_sines(frames, drum.pitch_hz * ratio, level, seconds, start)
    beater = _synthesize_click(draw.at("beater"), frames, drum.beater_hz, 0.03)
    air = band_pass(white_noise(draw.at("air"), frames), 300.0, 0.3) * decay_envelope(frames, 0.6 * drum.seconds)
    driven = saturate(body + overtones + 1.5 * drum.beater * beater + 2.0 * drum.air * air, drum.drive)
    return low_pass(driven, drum.tone_hz)


def _synthesize_click(draw: Draw, frames: int, hz: float, seconds: float) -> Signal:
    """Return the contact sound of a beater: a noise burst around a frequency and a short thump, with peak 1."""
    noise = white_noise(draw, frames)
    # The slap is short; the rattle of the parts that it excites lasts three times longer.
    slap = band_pass(noise, hz, 0.6) * decay_envelope(frames, seconds)
    rattle = band_pass(noise, 0.5 * hz, 0.5) * decay_envelope(frames, 3.0 * seconds)
    burst = slap + 0.3 * rattle
    thump = np.sin(np.pi * np.minimum(time_axis(frames) / 0.0022, 1.0))
    return normalize_peak(normalize_peak(burst) + 0.6 * thump)
