"""Synthesise hi-hats and cymbals: a circuit of square waves, or a plate with a great number of modes."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    band_pass,
    decay_envelope,
    high_pass,
    low_pass,
    normalize_peak,
    random_uniform,
    rise_envelope,
    seconds_to_frames,
    sum_damped_sines,
    time_axis,
    white_noise,
)
from rmod_pipeline.synthesis.variation import variable_field


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareCymbal:
    """Parameters of an electronic hi-hat or cymbal."""

    tuning: float = variable_field(0.12, 1.0)
    """Factor on the frequencies of the six oscillators."""
    low_hz: float = variable_field(0.15, 3440.0)
    """Centre of the lower band-pass."""
    high_hz: float = variable_field(0.12, 7100.0)
    """Centre of the upper band-pass."""
    low_level: float = variable_field(0.5, 0.3)
    floor_hz: float = variable_field(0.2, 5500.0)
    """Cutoff of the final high-pass."""
    seconds: float = variable_field(0.35)
    """Time to fall by 60 dB."""
    noise: float = variable_field(0.5, 0.2)
    tail: float = variable_field(0.4, 0.3)
    """Level of the slow part of the decay: low in a closed hi-hat, high in an open hi-hat and a cymbal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateCymbal:
    """Parameters of an acoustic hi-hat or cymbal."""

    bottom_hz: float = variable_field(0.3, 450.0)
    """Frequency of the lowest audible mode."""
    centre_hz: float = variable_field(0.2, 7000.0)
    """Frequency at which the spectrum is strongest."""
    width_octaves: float = variable_field(0.2, 1.8)
    """Standard deviation of the spectrum around its centre."""
    seconds: float = variable_field(0.35)
    """Time for the modes at the centre to fall by 60 dB."""
    stick: float = variable_field(0.5, 0.5)
    """Level of the stick's tap."""
    bloom_seconds: float = variable_field(0.4, 0.002)
    """Time constant of the energy's spread to high modes: long in a crash, negligible in a closed hi-hat."""
    noise: float = variable_field(0.4, 0.5)
    """Level of the modes that are too dense to be synthesised one by one."""
    bell_level: float = variable_field(0.5, 0.0)
    """Additional level of the lowest modes: the ping of a ride."""
    floor_hz: float = variable_field(0.3, 300.0)
    """Cutoff of the final high-pass."""


OSCILLATORS_HZ = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])
"""Frequencies of the six oscillators of the TR-808 (measured by Werner, Abel & Smith, ICMC 2014)."""

_PLATE_MODES = 220


def synthesize_square_cymbal(cymbal: SquareCymbal, draw: Draw) -> Signal:
    """Return six detuned square waves through two band-passes with separate envelopes, then a high-pass.

    The TR-808 cymbal (Werner, Abel & Smith, "The TR-808 Cymbal: a physically-informed, circuit-bendable, digital
    model", ICMC 2014). The squares are sums of their odd harmonics, so there is no aliasing.
    """
    frames = seconds_to_frames(1.1 * cymbal.seconds + 0.01)
    squares = _sum_square_waves(cymbal.tuning * OSCILLATORS_HZ, draw.at("phase"), frames)
    source = squares + cymbal.noise * white_noise(draw.at("noise"), frames)
    fast = decay_envelope(frames, 0.5 * cymbal.seconds)
    slow = decay_envelope(frames, cymbal.seconds)
    low = band_pass(band_pass(source, cymbal.low_hz, 2.0), cymbal.low_hz, 2.0) * fast
    high = band_pass(source, cymbal.high_hz, 1.0) * ((1.0 - cymbal.tail) * fast + cymbal.tail * slow)
    return high_pass(high_pass(cymbal.low_level * low + high, cymbal.floor_hz), 0.6 * cymbal.floor_hz)


def _sum_square_waves(hz: Signal, draw: Draw, frames: int) -> Signal:
    """Return the mean of square waves [frames] with the frequencies ``hz`` [oscillators] and random phases."""
    odd = np.arange(1.0, 200.0, 2.0)
    pitch, order = np.tile(hz, len(odd)), np.repeat(odd, len(hz))
    start = np.tile(random_uniform(draw, len(hz)), len(odd)) * order
    level = 4.0 / (math.pi * order * len(hz))
    return sum_damped_sines(frames, pitch * order, level, np.full(pitch.shape, 1e6), start)


def synthesize_plate_cymbal(cymbal: PlateCymbal, draw: Draw) -> Signal:
    """Return a bronze plate: dense inharmonic modes, a stick, and energy that spreads to high modes.

    The mode density of a thin plate is constant over frequency, losses grow with frequency, and a strong hit couples
    energy upwards in the first tens of milliseconds (Fletcher & Rossing, chapter 20; Touze & Chaigne, JASA 2000).
    """
    frames = seconds_to_frames(1.5 * cymbal.seconds + 0.01)
    rank = (np.arange(_PLATE_MODES) + random_uniform(draw.at("hz"), _PLATE_MODES)) / _PLATE_MODES
    # Slightly denser at low frequencies than in a plate, because single low modes are audible and high ones are not.
    hz = cymbal.bottom_hz + (0.42 * SAMPLE_RATE - cymbal.bottom_hz) * rank**1.5
    octaves = np.log2(hz / cymbal.centre_hz) / cymbal.width_octaves
    # A hit near the edge also excites low modes: their level does not fall below a floor.
    level = np.maximum(np.exp(-0.5 * octaves**2), 0.25) * (0.3 + random_uniform(draw.at("level"), _PLATE_MODES))
    level[:6] += cymbal.bell_level * 2.0
    damping = (hz / cymbal.centre_hz) ** -0.35
    seconds = cymbal.seconds * damping * (0.45 + random_uniform(draw.at("loss"), _PLATE_MODES))
    seconds = np.minimum(seconds, 1.7 * cymbal.seconds)
    plate = sum_damped_sines(frames, hz, level, seconds, random_uniform(draw.at("phase"), _PLATE_MODES))
    noise = _synthesize_dense_modes(cymbal, draw.at("wash"), frames)
    struck = plate / math.sqrt(float(np.mean(plate[:1000] ** 2))) + cymbal.noise * noise
    tap = band_pass(white_noise(draw.at("tap"), frames), 2500.0, 0.3) * decay_envelope(frames, 0.015)
    sound = _delay_high_modes(struck, cymbal.bloom_seconds) + 3.0 * cymbal.stick * normalize_peak(tap)
    return high_pass(sound, cymbal.floor_hz)


def _synthesize_dense_modes(cymbal: PlateCymbal, draw: Draw, frames: int) -> Signal:
    """Return noise with the spectrum of the plate and an initial variance of 1."""
    noise = band_pass(white_noise(draw, frames), cymbal.centre_hz, 0.5 / cymbal.width_octaves)
    shape = 0.6 * decay_envelope(frames, 0.6 * cymbal.seconds) + 0.4 * decay_envelope(frames, 1.2 * cymbal.seconds)
    return noise / math.sqrt(float(np.mean(noise[:2000] ** 2))) * shape


def _delay_high_modes(signal: Signal, seconds: float) -> Signal:
    """Let content above 3 kHz rise with the time constant ``seconds``."""
    low = low_pass(low_pass(signal, 3000.0), 3000.0)
    fading = np.exp(-time_axis(len(signal)) / seconds)
    return signal - 0.8 * (signal - low) * fading if seconds > 0.004 else signal * rise_envelope(len(signal), 0.0002)
