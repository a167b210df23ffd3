"""Signal processing shared by all models of the built-in kit: noise, envelopes, oscillators, filters, rooms.

A signal is float64 [frames] at ``SAMPLE_RATE``; filters also accept [channels, frames]. All arithmetic is in double
precision and without feedback that amplifies rounding errors: after rounding to 16 bits, the differences between two
processors in the last bits are gone.
"""

from __future__ import annotations

import math

import numpy as np
import scipy  # loads scipy.signal, which takes half a second, when a sound is made
from numpy.typing import NDArray

from rmod_pipeline.draw import Draw

Signal = NDArray[np.float64]

SAMPLE_RATE = 44_100

_LN_1000 = math.log(1000.0)
_MIN_PEAK = 1e-12
_PHASE_UNITS_PER_CYCLE = 2.0**40


def seconds_to_frames(seconds: float) -> int:
    """Return the nearest number of frames, at least 1."""
    return max(1, round(seconds * SAMPLE_RATE))


def midi_to_hz(pitch: float) -> float:
    """Return the frequency in Hz of a MIDI note number; 69 is 440 Hz."""
    return float(440.0 * 2.0 ** ((pitch - 69.0) / 12.0))


def time_axis(frames: int) -> Signal:
    """Return the time of every frame in seconds."""
    return np.arange(frames) / SAMPLE_RATE


def random_uniform(draw: Draw, count: int) -> Signal:
    """Return ``count`` random numbers in [0, 1) by splitmix64 (Steele, Lea & Flood 2014)."""
    return (_splitmix64(draw, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def white_noise(draw: Draw, frames: int) -> Signal:
    """Return nearly normal noise of variance 1: the sum of four 16-bit parts of each random word (Irwin-Hall)."""
    bits = _splitmix64(draw, frames)
    total = np.zeros(frames)
    for shift in (0, 16, 32, 48):
        total += (bits >> np.uint64(shift)) & np.uint64(0xFFFF)
    return (total / 65_536.0 - (2.0 - 2.0**-15)) * math.sqrt(3.0)


def _splitmix64(draw: Draw, count: int) -> NDArray[np.uint64]:
    word = np.uint64(draw.bits(1)[0]) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def decay_envelope(frames: int, seconds: float) -> Signal:
    """Return an exponential that starts at 1 and falls by 60 dB in ``seconds``."""
    return np.exp(time_axis(frames) * (-_LN_1000 / seconds))


def rise_envelope(frames: int, seconds: float) -> Signal:
    """Return an exponential rise from 0 towards 1 with a time constant of ``seconds``."""
    return 1.0 - np.exp(time_axis(frames) / -seconds)


def sine_oscillator(hz: Signal, start: float = 0.0) -> Signal:
    """Return a sine with the frequency ``hz`` [frames]; ``start`` is its initial phase in cycles."""
    return np.sin(2.0 * np.pi * (integrate_frequency(hz) + start))


def integrate_frequency(hz: Signal) -> Signal:
    """Return the phase in cycles of a frequency [frames] in Hz, starting at 0.

    Phase steps are rounded to integer multiples of a small unit, so that their sum is exact. A sum of floats would
    accumulate rounding differences between processors until they are audible at the sharp closure of a glottis.
    """
    steps = np.rint(hz * (_PHASE_UNITS_PER_CYCLE / SAMPLE_RATE)).astype(np.int64)
    cycles: NDArray[np.float64] = (np.cumsum(steps) - steps[0]) / _PHASE_UNITS_PER_CYCLE
    return cycles


def sum_damped_sines(frames: int, hz: Signal, level: Signal, seconds: Signal, start: Signal) -> Signal:
    """Return the sum of damped sines [frames], given frequency, level, -60 dB decay time and initial phase in cycles.

    The parameters are [modes]; modes outside the audible band are left out. At frame a * block + b, each mode is a
    product of a factor for a and a factor for b. The sum over all modes is therefore one matrix product, which is as
    exact as a sum of sines and a hundred times faster.
    """
    is_audible = (hz > 0.0) & (hz < 0.48 * SAMPLE_RATE)
    hz, level, seconds, start = hz[is_audible], level[is_audible], seconds[is_audible], start[is_audible]
    block = max(1, math.isqrt(frames))
    blocks = -(-frames // block)
    exponent = (-_LN_1000 / seconds + 2j * np.pi * hz) / SAMPLE_RATE
    within_block = np.exp(exponent[:, None] * np.arange(block))
    # Minus a quarter of a cycle: the real part is then a sine, which starts at 0 like a struck body.
    initial = level * np.exp(2j * np.pi * (start - 0.25))
    at_blocks = initial * np.exp(exponent * (np.arange(blocks) * block)[:, None])
    total: Signal = at_blocks.real @ within_block.real - at_blocks.imag @ within_block.imag
    return total.reshape(-1)[:frames]


def low_pass(signal: Signal, hz: float, q: float = math.sqrt(0.5)) -> Signal:
    """Apply a second-order low-pass (R. Bristow-Johnson, Audio EQ Cookbook)."""
    omega, alpha = _filter_parameters(hz, q)
    side = (1.0 - math.cos(omega)) / 2.0
    return _biquad(signal, (side, 2.0 * side, side), omega, alpha)


def high_pass(signal: Signal, hz: float, q: float = math.sqrt(0.5)) -> Signal:
    """Apply a second-order high-pass (Audio EQ Cookbook)."""
    omega, alpha = _filter_parameters(hz, q)
    side = (1.0 + math.cos(omega)) / 2.0
    return _biquad(signal, (side, -2.0 * side, side), omega, alpha)


def band_pass(signal: Signal, hz: float, q: float) -> Signal:
    """Apply a second-order band-pass with a peak gain of 1 (Audio EQ Cookbook)."""
    omega, alpha = _filter_parameters(hz, q)
    return _biquad(signal, (alpha, 0.0, -alpha), omega, alpha)


def peaking_filter(signal: Signal, hz: float, gain_db: float, q: float = 1.0) -> Signal:
    """Boost or cut a band (peaking EQ, Audio EQ Cookbook)."""
    omega, alpha = _filter_parameters(hz, q)
    root = 10.0 ** (gain_db / 40.0)
    numerator = (1.0 + alpha * root, -2.0 * math.cos(omega), 1.0 - alpha * root)
    return _biquad(signal, numerator, omega, alpha / root)


def _filter_parameters(hz: float, q: float) -> tuple[float, float]:
    """Return omega (radians per frame) and alpha of the Audio EQ Cookbook."""
    omega = 2.0 * math.pi * min(hz, 0.47 * SAMPLE_RATE) / SAMPLE_RATE
    return omega, math.sin(omega) / (2.0 * q)


def _biquad(signal: Signal, numerator: tuple[float, float, float], omega: float, alpha: float) -> Signal:
    section = np.array([[*numerator, 1.0 + alpha, -2.0 * math.cos(omega), 1.0 - alpha]])
    filtered: Signal = scipy.signal.sosfilt(section / section[0, 3], signal)
    return filtered


def saturate(signal: Signal, drive: float) -> Signal:
    """Apply tanh saturation to a signal with a peak of about 1; a drive of 0 leaves it unchanged."""
    return signal if drive <= 0.0 else np.tanh(drive * signal) / math.tanh(drive)


def normalize_peak(signal: Signal) -> Signal:
    """Scale a signal to a peak of 1; silence stays silence."""
    return signal / max(float(np.abs(signal).max(initial=0.0)), _MIN_PEAK)


def bitcrush(signal: Signal, bits: int, rate_hz: float) -> Signal:
    """Lower sample rate and bit depth as an early sampler does, with the low-pass after its converter."""
    # Early samplers also had an input filter, but it was never steep enough to remove all aliasing.
    smooth = normalize_peak(low_pass(low_pass(signal, 0.42 * rate_hz), 0.42 * rate_hz))
    held_frames = (np.floor(np.arange(len(signal)) * (rate_hz / SAMPLE_RATE)) * (SAMPLE_RATE / rate_hz)).astype(
        np.int64
    )
    steps = 2.0 ** (bits - 1)
    return low_pass(np.rint(smooth[held_frames] * steps) / steps, 0.55 * rate_hz)


def room_impulse_response(draw: Draw, seconds: float, tone_hz: float) -> Signal:
    """Return the impulse response of a small room with energy 1: noise that decays and darkens (Moorer 1979)."""
    frames = seconds_to_frames(seconds)
    bright, dark = white_noise(draw.at("bright"), frames), white_noise(draw.at("dark"), frames)
    bright_tail = bright * decay_envelope(frames, 0.5 * seconds)
    tail = bright_tail + 0.7 * low_pass(dark, 0.35 * tone_hz) * decay_envelope(frames, seconds)
    # The first reflections arrive after a few milliseconds and build up.
    tail = high_pass(low_pass(tail, tone_hz), 120.0) * rise_envelope(frames, 0.004)
    return tail / math.sqrt(float(np.sum(tail * tail)))


def add_room(signal: Signal, draw: Draw, seconds: float, tone_hz: float, level: float) -> Signal:
    """Add room reverberation, which lengthens the signal; ``level`` is relative to the dry sound."""
    wet: Signal = scipy.signal.oaconvolve(signal, room_impulse_response(draw, seconds, tone_hz))
    wet *= level
    wet[: len(signal)] += signal
    return wet


def fade_end(signal: Signal, frames: int) -> Signal:
    """Fade the last frames out along a quarter of a cosine."""
    fade_frames = min(frames, len(signal))
    result = signal.copy()
    result[len(signal) - fade_frames :] *= np.cos(np.linspace(0.0, 0.5 * np.pi, fade_frames))
    return result


def trim_one_shot(signal: Signal, min_seconds: float, max_seconds: float, floor_db: float = -66.0) -> Signal:
    """Cut a one-shot to the part above ``floor_db`` relative to its peak, within the given durations, and fade it out.

    Frames before the onset are removed too, so that the sound begins at its first frame.
    """
    is_loud = np.abs(signal) > 10.0 ** (floor_db / 20.0) * np.abs(signal).max()
    first = int(np.argmax(is_loud))
    last = len(signal) - int(np.argmax(is_loud[::-1]))
    frames = min(max(last - first, seconds_to_frames(min_seconds)), seconds_to_frames(max_seconds))
    trimmed = signal[first : first + frames]
    trimmed = np.pad(trimmed, (0, frames - len(trimmed)))
    return fade_end(trimmed, max(seconds_to_frames(0.004), frames // 6))
