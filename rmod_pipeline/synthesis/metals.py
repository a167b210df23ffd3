"""Hi-hats and cymbals: plates with more modes than one can count, and the circuits that imitate them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.draw import Draw
from rmod_pipeline.synthesis.dsp import (
    SAMPLE_RATE,
    Signal,
    band_pass,
    decay,
    high_pass,
    low_pass,
    ring,
    seconds_to_frames,
    swell,
    time_axis,
    uniforms,
    unit_peak,
    white_noise,
)
from rmod_pipeline.synthesis.variation import varies


@dataclass(frozen=True, slots=True, kw_only=True)
class SquareMetal:
    """An electronic hi-hat or cymbal."""

    tuning: float = varies(0.12, 1.0)
    """Factor on the pitches of the six oscillators."""
    low_hz: float = varies(0.15, 3440.0)
    """Centre of the lower band-pass."""
    high_hz: float = varies(0.12, 7100.0)
    """Centre of the upper band-pass."""
    low_level: float = varies(0.5, 0.3)
    floor_hz: float = varies(0.2, 5500.0)
    """The high-pass at the end."""
    seconds: float = varies(0.35)
    """Time to fall by 60 dB."""
    noise: float = varies(0.5, 0.2)
    tail: float = varies(0.4, 0.3)
    """Level of a slower decay below the first, which makes an open hat and a cymbal."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlateMetal:
    """An acoustic hi-hat or cymbal."""

    bottom_hz: float = varies(0.3, 450.0)
    """The lowest mode that is heard."""
    centre_hz: float = varies(0.2, 7000.0)
    """Where the spectrum is fullest."""
    width_octaves: float = varies(0.2, 1.8)
    """How far it falls off to both sides of that."""
    seconds: float = varies(0.35)
    """Time for the modes in the centre to fall by 60 dB."""
    stick: float = varies(0.5, 0.5)
    """Level of the stick's tap."""
    bloom_seconds: float = varies(0.4, 0.002)
    """How long the energy takes to wander up into the high modes: long in a crash, nothing in a closed hat."""
    noise: float = varies(0.4, 0.5)
    """What lies between the modes that are counted."""
    bell_level: float = varies(0.5, 0.0)
    """A ride's ping: a few low modes that stand out."""
    floor_hz: float = varies(0.3, 300.0)


# The six oscillators of the TR-808's metallic voices, in Hz (measured: Werner, Abel & Smith, ICMC 2014).
OSCILLATORS = np.array([205.3, 304.4, 369.6, 522.7, 540.0, 800.0])

_PLATE_MODES = 220


def square_metal(metal: SquareMetal, draw: Draw) -> Signal:
    """Six square waves out of tune through two band-passes, each with its own envelope, then a high-pass.

    The TR-808 cymbal (Werner, Abel & Smith, "The TR-808 Cymbal: a physically-informed, circuit-bendable, digital
    model", ICMC 2014). The squares are summed from their odd harmonics, so nothing folds back.
    """
    frames = seconds_to_frames(1.1 * metal.seconds + 0.01)
    squares = _squares(metal.tuning * OSCILLATORS, draw.at("phase"), frames)
    source = squares + metal.noise * white_noise(draw.at("noise"), frames)
    fast = decay(frames, 0.5 * metal.seconds)
    slow = decay(frames, metal.seconds)
    low = band_pass(band_pass(source, metal.low_hz, 2.0), metal.low_hz, 2.0) * fast
    high = band_pass(source, metal.high_hz, 1.0) * ((1.0 - metal.tail) * fast + metal.tail * slow)
    return high_pass(high_pass(metal.low_level * low + high, metal.floor_hz), 0.6 * metal.floor_hz)


def _squares(hz: Signal, draw: Draw, frames: int) -> Signal:
    """Six square waves [frames], each of peak about 1 over 6."""
    odd = np.arange(1.0, 200.0, 2.0)
    pitch, order = np.tile(hz, len(odd)), np.repeat(odd, len(hz))
    start = np.tile(uniforms(draw, len(hz)), len(odd)) * order
    level = 4.0 / (math.pi * order * len(hz))
    return ring(frames, pitch * order, level, np.full(pitch.shape, 1e6), start)


def plate_metal(metal: PlateMetal, draw: Draw) -> Signal:
    """A bronze plate: inharmonic modes as dense as a plate's, a stick, and energy that climbs to high modes.

    Mode density of a thin plate is even over frequency, losses grow with frequency, and a strong blow couples energy
    upwards in the first tens of milliseconds (Fletcher & Rossing, chapter 20; Touze & Chaigne, JASA 2000).
    """
    frames = seconds_to_frames(1.5 * metal.seconds + 0.01)
    rank = (np.arange(_PLATE_MODES) + uniforms(draw.at("hz"), _PLATE_MODES)) / _PLATE_MODES
    # A little denser at the bottom than even, because single low modes are heard and single high ones are not.
    hz = metal.bottom_hz + (0.42 * SAMPLE_RATE - metal.bottom_hz) * rank**1.5
    octaves = np.log2(hz / metal.centre_hz) / metal.width_octaves
    # What is struck near its edge also clanks: the fall towards low modes ends at a floor.
    level = np.maximum(np.exp(-0.5 * octaves**2), 0.25) * (0.3 + uniforms(draw.at("level"), _PLATE_MODES))
    level[:6] += metal.bell_level * 2.0
    seconds = metal.seconds * (hz / metal.centre_hz) ** -0.35 * (0.45 + uniforms(draw.at("loss"), _PLATE_MODES))
    seconds = np.minimum(seconds, 1.7 * metal.seconds)
    plate = ring(frames, hz, level, seconds, uniforms(draw.at("phase"), _PLATE_MODES))
    wash = _wash(metal, draw.at("wash"), frames)
    struck = plate / math.sqrt(float(np.mean(plate[:1000] ** 2))) + metal.noise * wash
    tap = unit_peak(band_pass(white_noise(draw.at("tap"), frames), 2500.0, 0.3) * decay(frames, 0.015))
    sound = _bloomed(struck, metal.bloom_seconds) + 3.0 * metal.stick * tap
    return high_pass(sound, metal.floor_hz)


def _wash(metal: PlateMetal, draw: Draw, frames: int) -> Signal:
    """Noise with the plate's spectrum: the modes too dense to count, of unit variance at the start."""
    noise = band_pass(white_noise(draw, frames), metal.centre_hz, 0.5 / metal.width_octaves)
    shape = 0.6 * decay(frames, 0.6 * metal.seconds) + 0.4 * decay(frames, 1.2 * metal.seconds)
    return noise / math.sqrt(float(np.mean(noise[:2000] ** 2))) * shape


def _bloomed(signal: Signal, seconds: float) -> Signal:
    """Let what lies above 3 kHz come later than the rest, by the given time constant."""
    low = low_pass(low_pass(signal, 3000.0), 3000.0)
    late = np.exp(-time_axis(len(signal)) / seconds)
    return signal - 0.8 * (signal - low) * late if seconds > 0.004 else signal * swell(len(signal), 0.0002)
