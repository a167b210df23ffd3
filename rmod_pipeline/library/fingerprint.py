"""Near-duplicates: is this the same recording at another level, rate, format, bit depth or trim?

Three steps, each cheaper than the next one by orders of magnitude, all on the first two seconds from the onset on:

1. ``fingerprint``: vectors that neither gain nor shift changes much. The spectrum in mel bands says what kind of sound
   it is: once with its attack, for sounds that lost their tail, and once without, for sounds that lost their head. The
   fine structure of the spectrum, in which two hits of one drum differ as two rolls of dice do, says which sound it is.
   ``candidates`` compares all with all by matrix products.
2. ``likeness``: the normalised cross-correlation of two sounds at their best lag, band by band, so that a kick's body,
   which is alike in every hit, does not outvote its noise, which is not.
3. ``SAME``: what is at least so alike is one sound. docs/lab/near-duplicates.md says how the number was chosen.

All functions take decoded audio and know nothing of files.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio
from rmod_pipeline.library.read import onset, resample

Floats = NDArray[np.float32]

SAME = 0.93
"""The likeness from which on two sounds are one."""

VERSION = 1
"""Rises when likeness or fingerprint of the same sounds would come out differently."""

RATE = 22_050
SECONDS = 2.0
BANDS = 40
FINE = 256
LENGTH = 2 * BANDS + FINE
"""Numbers of a fingerprint."""

_FFT = 65_536
_HOP = 1024
_FADE_SECONDS = 0.02
_LOWEST, _HIGHEST = 60.0, 10_000.0
_FLOOR_DB = 40.0
_NEIGHBOURHOOD_HZ = 250.0
_SPECTRUM_APART_DB = 2.0
_FINE_ALIKE = 0.6
_ROWS = 256

_EDGES = (60.0, 250.0, 700.0, 1_800.0, 4_500.0, 10_000.0)
_WEAK_BAND = 1e-4
_HOPELESS = 0.3
_COVERED = 0.2


@dataclass(frozen=True, slots=True)
class Probe:
    """The part of a sound that is compared."""

    samples: Floats
    """[frames] mono at ``RATE`` from the onset on, at most ``SECONDS`` long."""
    top_hz: float
    """Above this the file's own rate leaves nothing to compare."""


def probe(audio: Audio, sample_rate: int) -> Probe:
    """Return what of a sound [channels, frames] is compared."""
    # A second more than is used: the onset is looked for again once the rate is the common one.
    start = onset(audio)
    mono = _mono(audio[:, start : start + int((SECONDS + 1) * sample_rate)])
    common = resample(mono, sample_rate, RATE)
    start = onset(common)
    samples = np.ascontiguousarray(common[0, start : start + int(SECONDS * RATE)], dtype=np.float32)
    return Probe(samples, min(_HIGHEST, 0.42 * sample_rate))


def fingerprint(sound: Probe) -> Floats:
    """Return a sound's fingerprint, float32 [``LENGTH``]: two spectra in dB, then the fine structure, of length 1."""
    if not sound.samples.any():
        return np.zeros(LENGTH, np.float32)
    whole = _spectrum_db(_power(sound.samples, _FFT), _FFT)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(sound.samples, (0, 2 * _HOP)), 2 * _HOP)[::_HOP]
    # The window hides what comes before the middle of the first frame: the attack.
    body = _spectrum_db(_power(frames * np.hanning(2 * _HOP).astype(np.float32), 2 * _HOP).sum(axis=0), 2 * _HOP)
    faded = sound.samples.copy()
    fade = min(round(_FADE_SECONDS * RATE), len(faded))
    faded[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    return np.concatenate([whole, body, _fine_structure(_power(faded, _FFT))])


def candidates(marks: Floats) -> Iterator[tuple[int, int]]:
    """Yield the pairs (i < j) of fingerprints [sounds, ``LENGTH``] that are near enough to be worth a closer look."""
    whole, body, fine = np.split(marks, [BANDS, 2 * BANDS], axis=1)
    for start in range(0, len(marks), _ROWS):
        rows, rest = slice(start, start + _ROWS), slice(start, None)
        alike = _near(whole[rows], whole[rest]) | _near(body[rows], body[rest])
        alike &= fine[rows] @ fine[rest].T > _FINE_ALIKE
        for i, j in zip(*np.nonzero(np.triu(alike, 1)), strict=True):
            yield start + int(i), start + int(j)


def likeness(one: Probe, other: Probe) -> float:
    """Return how alike two sounds are: 1 for one recording at any level, polarity or offset, about 0 for strangers."""
    from scipy.fft import irfft, next_fast_len, rfft

    x, y = one.samples, other.samples
    size = next_fast_len(len(x) + len(y), True)
    if min(len(x), len(y)) < 2:
        return 0.0
    spectra = rfft(x, size), rfft(y, size)
    bands = _bands(size, min(one.top_hz, other.top_hz))
    cross = spectra[0] * np.conj(spectra[1])
    energies = [_energies(spectrum, bands) for spectrum in spectra]
    even = np.zeros_like(cross)
    strong = _strong(*energies)
    for band, counts, scale in zip(bands, strong, np.sqrt(energies[0] * energies[1]), strict=True):
        if counts:
            even[band] = cross[band] / scale
    # The lag of equally loud bands is sharper; that of the whole sound survives a lost attack.
    sharp = irfft(even, size)
    if np.abs(sharp).max() * size / 2 < _HOPELESS * max(1, strong.sum()):
        return 0.0
    best = _likeness_at(x, y, sharp, min(one.top_hz, other.top_hz))
    if best < SAME:
        best = max(best, _likeness_at(x, y, irfft(cross, size), min(one.top_hz, other.top_hz)))
    return best


def _near(some: Floats, others: Floats) -> NDArray[np.bool_]:
    """Return which spectra are within ``_SPECTRUM_APART_DB`` of each other, in the mean over bands."""
    squares = [np.einsum("ij,ij->i", spectra, spectra) for spectra in (some, others)]
    apart = squares[0][:, None] + squares[1] - 2 * some @ others.T
    return apart < _SPECTRUM_APART_DB**2 * some.shape[1]


def _power(samples: Floats, size: int) -> Floats:
    """Return the power spectrum [..., bins] between the lowest and the highest frequency."""
    from scipy.fft import rfft

    spectrum = rfft(samples, size)[..., _bin(_LOWEST, size) : _bin(_HIGHEST, size)]
    return np.square(np.abs(spectrum)).astype(np.float32)


def _spectrum_db(power: Floats, size: int) -> Floats:
    """Return a power spectrum in mel bands, in dB below the loudest one."""
    bands = _filters(size) @ power + np.float32(1e-30)
    return np.maximum(10 * np.log10(bands / bands.max()), -_FLOOR_DB).astype(np.float32)


def _likeness_at(x: Floats, y: Floats, correlation: NDArray[np.float64], top_hz: float) -> float:
    """Return the mean correlation of bands where a cross-correlation over lags has its peak."""
    from scipy.fft import next_fast_len, rfft

    lag, fraction = _peak(correlation)
    a, b = x[max(lag, 0) :], y[max(-lag, 0) :]
    frames = min(len(a), len(b))
    a, b = a[:frames], b[:frames]
    if min(_part(a, x), _part(b, y)) < _COVERED:
        return 0.0
    size = next_fast_len(frames, True)
    bands = _bands(size, top_hz)
    spectra = rfft(a, size), rfft(b, size)
    energies = [_energies(spectrum, bands) for spectrum in spectra]
    strong = _strong(*energies)
    if not strong.any():
        return 0.0
    # Copies at another rate lie a part of a sample apart, which at 10 kHz is most of a cycle.
    turn = np.exp(2j * np.pi * fraction / size * np.arange(len(spectra[0])))
    cross = spectra[0] * np.conj(spectra[1]) * turn
    together = np.array([cross[band].sum().real for band in bands])
    scale = np.sqrt(energies[0] * energies[1])
    return float(np.abs((together[strong] / scale[strong]).mean()))


def _peak(correlation: NDArray[np.float64]) -> tuple[int, float]:
    """Return the lag of the largest absolute value, and the part of a sample to the top of the parabola around it."""
    size = len(correlation)
    at = int(np.abs(correlation).argmax())
    before, here, after = np.abs(correlation[[at - 1, at, (at + 1) % size]])
    bend = before - 2 * here + after
    fraction = 0.5 * (before - after) / bend if bend < 0 else 0.0
    return (at if at < size // 2 else at - size), float(fraction)


def _part(piece: Floats, whole: Floats) -> float:
    return float(np.dot(piece, piece) / max(float(np.dot(whole, whole)), 1e-30))


def _strong(one: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return which bands hold enough of both sounds to be heard."""
    loudest = max(one.max(initial=0.0), 1e-30), max(other.max(initial=0.0), 1e-30)
    return np.minimum(one / loudest[0], other / loudest[1]) > _WEAK_BAND


def _energies(spectrum: NDArray[np.complexfloating], bands: list[slice]) -> NDArray[np.float64]:
    return np.array([np.vdot(spectrum[band], spectrum[band]).real for band in bands], dtype=np.float64)


def _bands(size: int, top_hz: float) -> list[slice]:
    edges = [round(min(edge, top_hz) * size / RATE) for edge in _EDGES]
    return [slice(low, high) for low, high in pairwise(edges) if high > low]


def _mono(audio: Audio) -> Audio:
    """Return [1, frames]: the mean of the channels, or the first if they cancel each other."""
    mean = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    cancelled = np.dot(mean[0], mean[0]) * audio.shape[0] < 0.01 * np.einsum("ij,ij->", audio, audio)
    return audio[:1] if cancelled else mean


def _fine_structure(power: Floats) -> Floats:
    """Return how a power spectrum differs from its own smooth course, as a vector of length 1 or 0."""
    from scipy.ndimage import uniform_filter1d

    width = round(_NEIGHBOURHOOD_HZ * _FFT / RATE)
    course = uniform_filter1d(power, width) + np.float32(1e-30)
    detail = np.sqrt(power / course)
    detail -= uniform_filter1d(detail, width)
    # What is far below the loudest part is the format's noise, not the sound's.
    detail *= np.maximum(0, 1 + 10 * np.log10(course / course.max()) / _FLOOR_DB)
    order, starts, signs = _projection(len(power))
    vector = np.add.reduceat((detail * signs)[order], starts)
    return (vector / max(float(np.linalg.norm(vector)), 1e-30)).astype(np.float32)


@lru_cache(maxsize=1)
def _projection(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return a fixed random projection to ``FINE`` numbers: each bin is added to one of them, with a random sign."""
    words = np.frombuffer(shake_256(b"rmod fingerprint v1").digest(2 * size), dtype="<u2")
    target = (words % FINE).astype(np.intp)
    order = np.argsort(target, kind="stable")
    signs = np.where(words & 0x8000, -1, 1).astype(np.float32)
    return order, np.searchsorted(target[order], np.arange(FINE)), signs


@lru_cache(maxsize=2)
def _filters(size: int) -> Floats:
    """Return triangular mel filters [``BANDS``, bins] for a transform of a size."""
    hertz = np.arange(_bin(_LOWEST, size), _bin(_HIGHEST, size)) * RATE / size
    low, high = _mel(np.array([_LOWEST, _HIGHEST]))
    edges, places = np.linspace(low, high, BANDS + 2), _mel(hertz)
    rising = (places - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - places) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def _mel(hertz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595 * np.log10(1 + hertz / 700)


def _bin(hertz: float, size: int) -> int:
    return round(hertz * size / RATE)
