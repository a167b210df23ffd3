"""Near-duplicates: decide whether two sounds are one recording at another level, rate, format, bit depth or trim.

There are three steps. Each one costs orders of magnitude less than the next. All use the first two seconds after the
onset.

1. ``compute_fingerprint`` returns vectors that gain and time shift hardly change. Two mel spectra describe the kind of
   sound: one with the attack, for copies that lost their tail, and one without it, for copies that lost their head. The
   fine structure of the spectrum identifies the individual sound, because it differs at random between two hits of one
   drum. ``find_candidate_pairs`` compares all fingerprints with all by matrix products.
2. ``compute_similarity`` returns the normalised cross-correlation of two sounds at the best lag, averaged over bands.
   All bands have equal weight: a kick's body is similar in every hit and must not outweigh its noise, which is not.
3. Two sounds whose similarity is at least ``MIN_SIMILARITY`` count as one (see docs/lab/near-duplicates.md).

All functions take decoded audio and do no file access.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from hashlib import shake_256
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import Audio, remove_offset
from rmod_pipeline.library.read import find_onset, resample

Floats = NDArray[np.float32]

MIN_SIMILARITY = 0.93
"""Lowest similarity at which two sounds count as one."""

SIMILARITY_VERSION = 1
"""Increase it when a change alters the similarity or the fingerprint of the same sounds."""

EXCERPT_RATE = 22_050
"""Sample rate of excerpts in Hz."""
EXCERPT_SECONDS = 2.0
MEL_BANDS = 40
FINE_SIZE = 256
"""Number of values that describe the fine structure of a spectrum."""
FINGERPRINT_SIZE = 2 * MEL_BANDS + FINE_SIZE

_FFT = 65_536
_HOP = 1024
_FADE_SECONDS = 0.02
_MIN_HZ, _MAX_HZ = 60.0, 10_000.0
_FLOOR_DB = 40.0
_SMOOTHING_HZ = 250.0
_MAX_SPECTRUM_DISTANCE_DB = 2.0
_MIN_FINE_CORRELATION = 0.6
_ROWS_PER_BLOCK = 256

_BAND_EDGES_HZ = (60.0, 250.0, 700.0, 1_800.0, 4_500.0, 10_000.0)
_MIN_BAND_ENERGY = 1e-4
"""Relative to the loudest band."""
_MIN_CORRELATION_PEAK = 0.3
_MIN_OVERLAP_ENERGY = 0.2


@dataclass(frozen=True, slots=True)
class Excerpt:
    """The part of a sound that is compared with other sounds."""

    samples: Floats
    """[frames] mono at ``EXCERPT_RATE``, starting at the onset, at most ``EXCERPT_SECONDS`` long."""
    max_hz: float
    """Frequency above which the file's own sample rate leaves no usable content."""


def make_excerpt(audio: Audio, sample_rate: int) -> Excerpt:
    """Return the excerpt of a sound [channels, frames]."""
    audio = remove_offset(audio)
    # One second more than needed: the onset is located again after resampling.
    start = find_onset(audio)
    mono = _to_mono(audio[:, start : start + int((EXCERPT_SECONDS + 1) * sample_rate)])
    resampled = resample(mono, sample_rate, EXCERPT_RATE)
    start = find_onset(resampled)
    stop = start + int(EXCERPT_SECONDS * EXCERPT_RATE)
    samples = np.ascontiguousarray(resampled[0, start:stop], dtype=np.float32)
    return Excerpt(samples, min(_MAX_HZ, 0.42 * sample_rate))


def compute_fingerprint(excerpt: Excerpt) -> Floats:
    """Return float32 [``FINGERPRINT_SIZE``]: the two mel spectra in dB, then the fine structure with norm 1."""
    if not excerpt.samples.any():
        return np.zeros(FINGERPRINT_SIZE, np.float32)
    whole = _mel_spectrum_db(_power_spectrum(excerpt.samples, _FFT), _FFT)
    frames = np.lib.stride_tricks.sliding_window_view(np.pad(excerpt.samples, (0, 2 * _HOP)), 2 * _HOP)[::_HOP]
    # The window suppresses everything before the middle of the first frame: the attack.
    windowed = frames * np.hanning(2 * _HOP).astype(np.float32)
    body = _mel_spectrum_db(_power_spectrum(windowed, 2 * _HOP).sum(axis=0), 2 * _HOP)
    faded = excerpt.samples.copy()
    fade = min(round(_FADE_SECONDS * EXCERPT_RATE), len(faded))
    faded[:fade] *= np.linspace(0, 1, fade, dtype=np.float32)
    return np.concatenate([whole, body, _fine_structure(_power_spectrum(faded, _FFT))])


def find_candidate_pairs(fingerprints: Floats) -> Iterator[tuple[int, int]]:
    """Yield the index pairs (i < j) of fingerprints [sounds, ``FINGERPRINT_SIZE``] that need a precise comparison."""
    whole, body, fine = np.split(fingerprints, [MEL_BANDS, 2 * MEL_BANDS], axis=1)
    for start in range(0, len(fingerprints), _ROWS_PER_BLOCK):
        rows, rest = slice(start, start + _ROWS_PER_BLOCK), slice(start, None)
        similar = _are_spectra_near(whole[rows], whole[rest]) | _are_spectra_near(body[rows], body[rest])
        similar &= fine[rows] @ fine[rest].T > _MIN_FINE_CORRELATION
        for i, j in zip(*np.nonzero(np.triu(similar, 1)), strict=True):
            yield start + int(i), start + int(j)


def compute_similarity(first: Excerpt, second: Excerpt) -> float:
    """Return the similarity of two sounds, 0 to 1.

    It is 1 for one recording at any level, polarity or offset, and about 0 for unrelated sounds.
    """
    from scipy.fft import irfft, next_fast_len, rfft

    x, y = first.samples, second.samples
    max_hz = min(first.max_hz, second.max_hz)
    size = next_fast_len(len(x) + len(y), True)
    if min(len(x), len(y)) < 2:
        return 0.0
    spectra = rfft(x, size), rfft(y, size)
    bands = _band_slices(size, max_hz)
    cross = spectra[0] * np.conj(spectra[1])
    energies = [_band_energies(spectrum, bands) for spectrum in spectra]
    whitened = np.zeros_like(cross)
    audible = _audible_bands(*energies)
    for band, is_audible, scale in zip(bands, audible, np.sqrt(energies[0] * energies[1]), strict=True):
        if is_audible:
            whitened[band] = cross[band] / scale
    # Equally loud bands give a sharper peak; the plain correlation survives a lost attack.
    correlation = irfft(whitened, size)
    if np.abs(correlation).max() * size / 2 < _MIN_CORRELATION_PEAK * max(1, audible.sum()):
        return 0.0
    similarity = _similarity_at_peak(x, y, correlation, max_hz)
    if similarity < MIN_SIMILARITY:
        similarity = max(similarity, _similarity_at_peak(x, y, irfft(cross, size), max_hz))
    return similarity


def _are_spectra_near(rows: Floats, columns: Floats) -> NDArray[np.bool_]:
    """Return which spectra are near each other, [rows, columns]: RMS distance below ``_MAX_SPECTRUM_DISTANCE_DB``."""
    squares = [np.einsum("ij,ij->i", spectra, spectra) for spectra in (rows, columns)]
    squared_distances = squares[0][:, None] + squares[1] - 2 * rows @ columns.T
    is_near: NDArray[np.bool_] = squared_distances < _MAX_SPECTRUM_DISTANCE_DB**2 * rows.shape[1]
    return is_near


def _power_spectrum(samples: Floats, size: int) -> Floats:
    """Return the power spectrum [..., bins] from ``_MIN_HZ`` to ``_MAX_HZ``."""
    from scipy.fft import rfft

    spectrum = rfft(samples, size)[..., _bin_of(_MIN_HZ, size) : _bin_of(_MAX_HZ, size)]
    power: Floats = np.square(np.abs(spectrum)).astype(np.float32)
    return power


def _mel_spectrum_db(power: Floats, size: int) -> Floats:
    """Return a power spectrum in mel bands [``MEL_BANDS``], in dB relative to the loudest band."""
    bands = _mel_filters(size) @ power + np.float32(1e-30)
    levels: Floats = np.maximum(10 * np.log10(bands / bands.max()), -_FLOOR_DB).astype(np.float32)
    return levels


def _similarity_at_peak(x: Floats, y: Floats, correlation: NDArray[np.float64], max_hz: float) -> float:
    """Return the mean correlation of the bands at the lag where ``correlation`` [lags] has its peak."""
    from scipy.fft import next_fast_len, rfft

    lag, fraction = _find_peak(correlation)
    a, b = x[max(lag, 0) :], y[max(-lag, 0) :]
    frames = min(len(a), len(b))
    a, b = a[:frames], b[:frames]
    if min(_energy_ratio(a, x), _energy_ratio(b, y)) < _MIN_OVERLAP_ENERGY:
        return 0.0
    size = next_fast_len(frames, True)
    bands = _band_slices(size, max_hz)
    spectra = rfft(a, size), rfft(b, size)
    energies = [_band_energies(spectrum, bands) for spectrum in spectra]
    audible = _audible_bands(*energies)
    if not audible.any():
        return 0.0
    # Resampled copies are shifted by a fraction of a sample, which is most of a cycle at 10 kHz.
    shift = np.exp(2j * np.pi * fraction / size * np.arange(len(spectra[0])))
    cross = spectra[0] * np.conj(spectra[1]) * shift
    products = np.array([cross[band].sum().real for band in bands])
    scale = np.sqrt(energies[0] * energies[1])
    return float(np.abs((products[audible] / scale[audible]).mean()))


def _find_peak(correlation: NDArray[np.float64]) -> tuple[int, float]:
    """Return the lag with the largest absolute value, and the offset of the interpolated maximum in samples."""
    size = len(correlation)
    index = int(np.abs(correlation).argmax())
    before, centre, after = np.abs(correlation[[index - 1, index, (index + 1) % size]])
    curvature = before - 2 * centre + after
    fraction = 0.5 * (before - after) / curvature if curvature < 0 else 0.0
    return (index if index < size // 2 else index - size), float(fraction)


def _energy_ratio(part: Floats, whole: Floats) -> float:
    return float(np.dot(part, part) / max(float(np.dot(whole, whole)), 1e-30))


def _audible_bands(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.bool_]:
    """Return the bands [bands] that hold audible energy of both sounds."""
    loudest = max(first.max(initial=0.0), 1e-30), max(second.max(initial=0.0), 1e-30)
    is_audible: NDArray[np.bool_] = np.minimum(first / loudest[0], second / loudest[1]) > _MIN_BAND_ENERGY
    return is_audible


def _band_energies(spectrum: NDArray[np.complexfloating], bands: list[slice]) -> NDArray[np.float64]:
    return np.array([np.vdot(spectrum[band], spectrum[band]).real for band in bands], dtype=np.float64)


def _band_slices(size: int, max_hz: float) -> list[slice]:
    edges = [round(min(edge, max_hz) * size / EXCERPT_RATE) for edge in _BAND_EDGES_HZ]
    return [slice(low, high) for low, high in pairwise(edges) if high > low]


def _to_mono(audio: Audio) -> Audio:
    """Return [1, frames]: the mean of the channels, or the first channel if they cancel each other."""
    mean = audio.mean(axis=0, keepdims=True, dtype=np.float32)
    is_cancelled = np.dot(mean[0], mean[0]) * audio.shape[0] < 0.01 * np.einsum("ij,ij->", audio, audio)
    return audio[:1] if is_cancelled else mean


def _fine_structure(power: Floats) -> Floats:
    """Return the deviation of a power spectrum from its smoothed course, as [``FINE_SIZE``] with norm 1 or 0."""
    from scipy.ndimage import uniform_filter1d

    width = round(_SMOOTHING_HZ * _FFT / EXCERPT_RATE)
    smoothed = uniform_filter1d(power, width) + np.float32(1e-30)
    detail = np.sqrt(power / smoothed)
    detail -= uniform_filter1d(detail, width)
    # Content far below the loudest part is noise of the file format, not of the sound.
    detail *= np.maximum(0, 1 + 10 * np.log10(smoothed / smoothed.max()) / _FLOOR_DB)
    order, starts, signs = _random_projection(len(power))
    vector = np.add.reduceat((detail * signs)[order], starts)
    return (vector / max(float(np.linalg.norm(vector)), 1e-30)).astype(np.float32)


@lru_cache(maxsize=1)
def _random_projection(size: int) -> tuple[NDArray[np.intp], NDArray[np.intp], Floats]:
    """Return a fixed projection to ``FINE_SIZE`` values that adds each bin to one of them with a random sign.

    The three arrays are the order of the bins by target, the start of each target in that order, and the signs.
    """
    words = np.frombuffer(shake_256(b"rmod fingerprint v1").digest(2 * size), dtype="<u2")
    target = (words % FINE_SIZE).astype(np.intp)
    order = np.argsort(target, kind="stable")
    signs = np.where(words & 0x8000, -1, 1).astype(np.float32)
    return order, np.searchsorted(target[order], np.arange(FINE_SIZE)), signs


@lru_cache(maxsize=2)
def _mel_filters(size: int) -> Floats:
    """Return triangular mel filters [``MEL_BANDS``, bins] for a transform of ``size`` samples."""
    bins_hz = np.arange(_bin_of(_MIN_HZ, size), _bin_of(_MAX_HZ, size)) * EXCERPT_RATE / size
    low, high = _hz_to_mel(np.array([_MIN_HZ, _MAX_HZ]))
    edges, bins = np.linspace(low, high, MEL_BANDS + 2), _hz_to_mel(bins_hz)
    rising = (bins - edges[:-2, None]) / np.diff(edges)[:-1, None]
    falling = (edges[2:, None] - bins) / np.diff(edges)[1:, None]
    return np.maximum(0, np.minimum(rising, falling)).astype(np.float32)


def band_centres_hz() -> NDArray[np.float64]:
    """Return the frequencies in Hz of the middle of each band of the mel spectra in a fingerprint [``MEL_BANDS``]."""
    low, high = _hz_to_mel(np.array([_MIN_HZ, _MAX_HZ]))
    mel = np.linspace(low, high, MEL_BANDS + 2)[1:-1]
    return 700 * (10 ** (mel / 2595) - 1)


def _hz_to_mel(hz: NDArray[np.float64]) -> NDArray[np.float64]:
    return 2595 * np.log10(1 + hz / 700)


def _bin_of(hz: float, size: int) -> int:
    return round(hz * size / EXCERPT_RATE)
