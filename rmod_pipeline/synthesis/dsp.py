"""The few pieces of signal processing that every model of the built-in kit is made of.

A signal is float64 [frames] at ``SAMPLE_RATE``; filters also take [channels, frames]. Nothing here is louder or longer
than it is asked to be. All is in double precision, without feedback that amplifies rounding, so that the last bits in
which two CPUs differ are gone once a sound is rounded to 16 bits.
"""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray
from scipy.signal import oaconvolve, sosfilt

from rmod_pipeline.draw import Draw

Signal = NDArray[np.float64]

SAMPLE_RATE = 44_100

_LN_1000 = math.log(1000.0)
_SILENT = 1e-12
_TURN = 2.0**40


def seconds_to_frames(seconds: float) -> int:
    """Return the nearest number of frames of a time, at least 1."""
    return max(1, round(seconds * SAMPLE_RATE))


def time_axis(frames: int) -> Signal:
    """Return the time of every frame, in seconds."""
    return np.arange(frames) / SAMPLE_RATE


def uniforms(draw: Draw, count: int) -> Signal:
    """Return ``count`` numbers in [0, 1): the 64-bit mix of a counter (splitmix64: Steele, Lea & Flood 2014)."""
    return (_mixed(draw, count) >> np.uint64(11)).astype(np.float64) * 2.0**-53


def white_noise(draw: Draw, frames: int) -> Signal:
    """Return noise of unit variance, nearly normal: four 16-bit parts of one mixed counter are added (Irwin-Hall)."""
    bits = _mixed(draw, frames)
    total = np.zeros(frames)
    for shift in (0, 16, 32, 48):
        total += (bits >> np.uint64(shift)) & np.uint64(0xFFFF)
    return (total / 65_536.0 - (2.0 - 2.0**-15)) * math.sqrt(3.0)


def _mixed(draw: Draw, count: int) -> NDArray[np.uint64]:
    word = np.uint64(draw.bits(1)[0]) + np.arange(1, count + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    word = (word ^ (word >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    word = (word ^ (word >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return word ^ (word >> np.uint64(31))


def decay(frames: int, seconds: float) -> Signal:
    """Return an exponential that starts at 1 and falls by 60 dB in the given seconds."""
    return np.exp(time_axis(frames) * (-_LN_1000 / seconds))


def swell(frames: int, seconds: float) -> Signal:
    """Return a rise from 0 towards 1, with the given time constant."""
    return 1.0 - np.exp(time_axis(frames) / -seconds)


def oscillate(hz: Signal, start: float = 0.0) -> Signal:
    """Return a sine that follows a frequency [frames] in Hz; ``start`` is its first phase in turns."""
    return np.sin(2.0 * np.pi * (phase_of(hz) + start))


def phase_of(hz: Signal) -> Signal:
    """Return the phase in turns of a frequency [frames] in Hz; the first is 0.

    Steps are whole numbers of a fine unit, so that their sum is exact: a sum of floats over some seconds would gather
    the last bits in which two CPUs differ until they are heard at a glottis' sharp closure.
    """
    steps = np.rint(hz * (_TURN / SAMPLE_RATE)).astype(np.int64)
    return (np.cumsum(steps) - steps[0]) / _TURN


def ring(frames: int, hz: Signal, level: Signal, seconds: Signal, start: Signal) -> Signal:
    """Add damped sines: modes [m] with frequency, level, time to fall by 60 dB, and first phase in turns.

    A mode at frame a * block + b is the product of one number for a and one for b, so the sum over all modes is one
    product of two matrices: a hundred times faster than a sine a frame, and as exact.
    """
    heard = (hz > 0.0) & (hz < 0.48 * SAMPLE_RATE)
    hz, level, seconds, start = hz[heard], level[heard], seconds[heard], start[heard]
    block = max(1, math.isqrt(frames))
    blocks = -(-frames // block)
    exponent = (-_LN_1000 / seconds + 2j * np.pi * hz) / SAMPLE_RATE
    within = np.exp(exponent[:, None] * np.arange(block))
    # Minus a quarter turn: the real part of it is a sine, which starts at 0 as a struck body does.
    first = level * np.exp(2j * np.pi * (start - 0.25))
    across = first * np.exp(exponent * (np.arange(blocks) * block)[:, None])
    total: Signal = across.real @ within.real - across.imag @ within.imag
    return total.reshape(-1)[:frames]


def low_pass(signal: Signal, hz: float, q: float = math.sqrt(0.5)) -> Signal:
    """Filter with a second-order low-pass (R. Bristow-Johnson, Audio EQ Cookbook)."""
    turn, alpha = _angle(hz, q)
    side = (1.0 - math.cos(turn)) / 2.0
    return _biquad(signal, (side, 2.0 * side, side), turn, alpha)


def high_pass(signal: Signal, hz: float, q: float = math.sqrt(0.5)) -> Signal:
    """Filter with a second-order high-pass (Audio EQ Cookbook)."""
    turn, alpha = _angle(hz, q)
    side = (1.0 + math.cos(turn)) / 2.0
    return _biquad(signal, (side, -2.0 * side, side), turn, alpha)


def band_pass(signal: Signal, hz: float, q: float) -> Signal:
    """Filter with a second-order band-pass of peak gain 1 (Audio EQ Cookbook)."""
    turn, alpha = _angle(hz, q)
    return _biquad(signal, (alpha, 0.0, -alpha), turn, alpha)


def bell(signal: Signal, hz: float, gain_db: float, q: float = 1.0) -> Signal:
    """Raise or lower a band (peaking filter, Audio EQ Cookbook)."""
    turn, alpha = _angle(hz, q)
    root = 10.0 ** (gain_db / 40.0)
    ahead = (1.0 + alpha * root, -2.0 * math.cos(turn), 1.0 - alpha * root)
    return _biquad(signal, ahead, turn, alpha / root)


def _angle(hz: float, q: float) -> tuple[float, float]:
    turn = 2.0 * math.pi * min(hz, 0.47 * SAMPLE_RATE) / SAMPLE_RATE
    return turn, math.sin(turn) / (2.0 * q)


def _biquad(signal: Signal, ahead: tuple[float, float, float], turn: float, alpha: float) -> Signal:
    section = np.array([[*ahead, 1.0 + alpha, -2.0 * math.cos(turn), 1.0 - alpha]])
    filtered: Signal = sosfilt(section / section[0, 3], signal)
    return filtered


def saturate(signal: Signal, drive: float) -> Signal:
    """Bend a signal whose peak is about 1 as an overdriven stage does; 0 leaves it as it is."""
    return signal if drive <= 0.0 else np.tanh(drive * signal) / math.tanh(drive)


def unit_peak(signal: Signal) -> Signal:
    """Scale to a peak of 1; silence stays silence."""
    return signal / max(float(np.abs(signal).max(initial=0.0)), _SILENT)


def crush(signal: Signal, bits: int, rate_hz: float) -> Signal:
    """Hold and quantise as an early sampler does, with the low-pass behind its converter."""
    # Early samplers had a filter before the converter too, but never one that was steep enough.
    smooth = unit_peak(low_pass(low_pass(signal, 0.42 * rate_hz), 0.42 * rate_hz))
    held = (np.floor(np.arange(len(signal)) * (rate_hz / SAMPLE_RATE)) * (SAMPLE_RATE / rate_hz)).astype(np.int64)
    steps = 2.0 ** (bits - 1)
    return low_pass(np.rint(smooth[held] * steps) / steps, 0.55 * rate_hz)


def room_response(draw: Draw, seconds: float, tone_hz: float) -> Signal:
    """Return the impulse response of a small room of unit energy: noise that decays and darkens (Moorer 1979)."""
    frames = seconds_to_frames(seconds)
    bright, dark = white_noise(draw.at("bright"), frames), white_noise(draw.at("dark"), frames)
    tail = bright * decay(frames, 0.5 * seconds) + 0.7 * low_pass(dark, 0.35 * tone_hz) * decay(frames, seconds)
    # The first reflections come after a few milliseconds and build up.
    tail = high_pass(low_pass(tail, tone_hz), 120.0) * swell(frames, 0.004)
    return tail / math.sqrt(float(np.sum(tail * tail)))


def with_room(signal: Signal, draw: Draw, seconds: float, tone_hz: float, level: float) -> Signal:
    """Add a room to a signal; the result is longer by its tail. Level is of the room's energy against the dry sound."""
    wet: Signal = oaconvolve(signal, room_response(draw, seconds, tone_hz))
    wet *= level
    wet[: len(signal)] += signal
    return wet


def faded(signal: Signal, frames: int) -> Signal:
    """Fade the last frames out along a quarter of a cosine."""
    ending = min(frames, len(signal))
    result = signal.copy()
    result[len(signal) - ending :] *= np.cos(np.linspace(0.0, 0.5 * np.pi, ending))
    return result


def settled(signal: Signal, least: float, most: float, floor_db: float = -66.0) -> Signal:
    """Cut a one-shot where it has sunk below the floor, between ``least`` and ``most`` seconds, and fade its end.

    Frames before the onset go too, so that a sound begins on its first frame.
    """
    loud = np.abs(signal) > 10.0 ** (floor_db / 20.0) * np.abs(signal).max()
    first = int(np.argmax(loud))
    last = len(signal) - int(np.argmax(loud[::-1]))
    frames = min(max(last - first, seconds_to_frames(least)), seconds_to_frames(most))
    kept = signal[first : first + frames]
    kept = np.pad(kept, (0, frames - len(kept)))
    return faded(kept, max(seconds_to_frames(0.004), frames // 6))
