"""Measure how well one-shots explain the drums of a song whose true one-shots nobody knows.

The one-shots are placed at the hits that were found, each hit at a gain of its own, and compared with the song:

1. ``S``: magnitudes of the song in mel bands, frames of 46 ms every 12 ms at 44.1 kHz.
2. ``T_h``: the same of the one-shot of hit ``h``, placed at the sample of the hit, cut at the next hit of its kind.
3. ``W``: a weight per band and frame. It is the part of ``S`` above its running median over a second, divided by the
   RMS of the band. So what is sustained does not count, and a hi-hat counts as much as a kick.
4. Gains ``g_h >= 0`` minimise ``E = sum of (W (S - sum of g_h T_h))^2`` over the frames within 150 ms after a hit.
5. The explained share is ``1 - E / E_0``, where ``E_0`` is the same without any sound: 0 if nothing is explained, 1 if
   everything is. It falls as the backing becomes louder.

Magnitudes of sounds add up only roughly, so true one-shots explain a little less than all. Wrong sounds explain
something too: every drum begins loud and fades. So the share means something beside that of other sounds at the same
hits: those of other songs, and the song's own with their kinds exchanged. The measure is ours; no paper has figures
of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono

WINDOW, HOP = 2048, 512
"""Samples per frame and between frames."""
BANDS = 64
LONGEST_SECONDS = 1.0
"""The part of a one-shot that is placed."""
AROUND_SECONDS = 0.15
"""Frames up to this long after a hit count."""
MEDIAN_SECONDS = 1.0
QUIET_BAND_DB = 40.0
"""A band whose RMS is further than this below that of the loudest is weighted as if it were not."""
_LEAD = WINDOW // 2 // HOP
"""Frames before that of a hit which hear it already."""
_SWEEPS = 300
_CONVERGED = 1e-6

Matrix = NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class SongFit:
    """How much of a song's drums some one-shots explain, beside the same ones with their kinds exchanged."""

    explained: float
    """Explained share, 0..1; 0 for a song without hits, or silent around them."""
    by_kind: Mapping[str, float]
    """By kind: how much the explained share falls if its hits are left out."""
    shuffled: float | None
    """Explained share with each kind's sound at the hits of the next kind; None for a single kind."""
    hits: Mapping[str, int]
    """Number of hits by kind."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Song:
    """The part of a song that counts."""

    magnitudes: Matrix
    """[bands, frames]"""
    weights: Matrix
    """[bands, frames]; 0 in frames that do not count."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _PlacedHit:
    """The weighted spectrogram of one hit."""

    kind: str
    start: int
    """Its first frame in the song."""
    spectrum: Matrix
    """[bands, frames]"""


def explain_song(
    song: Mono, sample_rate: int, one_shots: Mapping[str, Mono], onsets: Mapping[str, Sequence[int]]
) -> SongFit:
    """Return how well one-shots, placed at the hits of their kinds, explain the drums of a song.

    song, one_shots [samples] float32 at ``sample_rate``. onsets: sample of each hit by kind; kinds without a one-shot
    are left out.
    """
    listed = {kind: _list_hits(onsets.get(kind, ()), len(song)) for kind in one_shots}
    hits = {kind: several for kind, several in listed.items() if several}
    kinds = [*hits]
    prepared = _prepare(song, sample_rate, hits)
    explained, energies = _measure(prepared, one_shots, hits, sample_rate)
    total = float(np.square(prepared.weights * prepared.magnitudes).sum())
    following = dict(zip(kinds, [*kinds[1:], *kinds[:1]], strict=True))
    shuffled = {kind: one_shots[other] for kind, other in following.items()}
    return SongFit(
        explained=explained,
        by_kind={kind: (energies[kind] / total if total else 0.0) for kind in kinds},
        shuffled=_measure(prepared, shuffled, hits, sample_rate)[0] if len(kinds) > 1 else None,
        hits={kind: len(several) for kind, several in hits.items()},
    )


def _list_hits(onsets: Sequence[int], samples: int) -> list[int]:
    return sorted({int(onset) for onset in onsets if 0 <= onset < samples})


def _prepare(song: Mono, sample_rate: int, hits: Mapping[str, Sequence[int]]) -> _Song:
    """Return the magnitudes and the weights of a song."""
    from scipy.ndimage import median_filter

    magnitudes = _mel_magnitudes(song, sample_rate)
    length = 2 * round(MEDIAN_SECONDS * sample_rate / HOP / 2) + 1
    sustained = median_filter(magnitudes, size=(1, length), mode="nearest")
    percussive = np.divide(
        np.maximum(magnitudes - sustained, 0.0), magnitudes, out=np.zeros_like(magnitudes), where=magnitudes > 0
    )
    counted = np.zeros(magnitudes.shape[1], bool)
    for several in hits.values():
        for onset in several:
            first = max(onset // HOP - _LEAD, 0)
            counted[first : onset // HOP + 1 + round(AROUND_SECONDS * sample_rate / HOP)] = True
    weights = percussive * counted
    rms = np.sqrt(np.square(weights * magnitudes).mean(axis=1, keepdims=True))
    least = rms.max(initial=0.0) * 10 ** (-QUIET_BAND_DB / 20)
    weights = np.divide(weights, np.maximum(rms, least), out=np.zeros_like(weights), where=rms.max(initial=0.0) > 0)
    return _Song(magnitudes=magnitudes, weights=weights)


def _measure(
    song: _Song, one_shots: Mapping[str, Mono], hits: Mapping[str, Sequence[int]], sample_rate: int
) -> tuple[float, dict[str, float]]:
    """Return the explained share, and by kind the energy that is not explained any more without its hits."""
    placed = [
        hit for kind, several in hits.items() for hit in _place(kind, one_shots[kind], several, song, sample_rate)
    ]
    target = song.weights * song.magnitudes
    total = float(np.square(target).sum())
    if not placed or not total:
        return 0.0, dict.fromkeys(hits, 0.0)
    gram, wanted = _correlate(placed, target)
    gains = _fit_gains(gram, wanted)
    least = _energy(total, gram, wanted, gains)
    energies = {}
    for kind in hits:
        others = np.array([hit.kind != kind for hit in placed])
        kept = _fit_gains(gram[np.ix_(others, others)], wanted[others])
        energies[kind] = _energy(total, gram[np.ix_(others, others)], wanted[others], kept) - least
    return 1.0 - least / total, energies


def _place(kind: str, one_shot: Mono, hits: Sequence[int], song: _Song, sample_rate: int) -> list[_PlacedHit]:
    """Return the weighted spectrograms of a one-shot at its hits, each cut at the next."""
    longest, frames = round(LONGEST_SECONDS * sample_rate), song.magnitudes.shape[1]
    placed = []
    for onset, following in zip(hits, [*hits[1:], hits[-1] + longest], strict=True):
        frame, offset = divmod(onset, HOP)
        sounding = one_shot[: min(longest, following - onset)]
        spectrum = _mel_magnitudes(np.pad(sounding, (_LEAD * HOP + offset, WINDOW)), sample_rate)
        start = frame - _LEAD
        begin, end = max(start, 0), min(start + spectrum.shape[1], frames)
        weighted = song.weights[:, begin:end] * spectrum[:, begin - start : end - start]
        placed.append(_PlacedHit(kind=kind, start=begin, spectrum=weighted))
    return placed


def _correlate(placed: Sequence[_PlacedHit], target: Matrix) -> tuple[Matrix, Matrix]:
    """Return the products of all hits with each other [hits, hits], and with the song [hits]."""
    gram = np.zeros((len(placed), len(placed)))
    wanted = np.zeros(len(placed))
    order = sorted(range(len(placed)), key=lambda number: placed[number].start)
    for position, first in enumerate(order):
        one = placed[first]
        end = one.start + one.spectrum.shape[1]
        wanted[first] = float((one.spectrum * target[:, one.start : end]).sum())
        for second in order[position:]:
            other = placed[second]
            if other.start >= end:
                break
            shared = min(end, other.start + other.spectrum.shape[1]) - other.start
            begin = other.start - one.start
            product = float((one.spectrum[:, begin : begin + shared] * other.spectrum[:, :shared]).sum())
            gram[first, second] = gram[second, first] = product
    return gram, wanted


def _fit_gains(gram: Matrix, wanted: Matrix) -> Matrix:
    """Return the gains [hits], 0 or more, with the least energy: coordinate descent on a convex function."""
    gains = np.zeros(len(wanted))
    diagonal = np.diag(gram)
    sounding = np.flatnonzero(diagonal > 0)
    for _ in range(_SWEEPS):
        largest = 0.0
        for hit in sounding:
            gain = max(0.0, gains[hit] + (wanted[hit] - gram[hit] @ gains) / diagonal[hit])
            largest = max(largest, abs(gain - gains[hit]))
            gains[hit] = gain
        if largest <= _CONVERGED * max(gains.max(initial=0.0), 1e-12):
            break
    return gains


def _energy(total: float, gram: Matrix, wanted: Matrix, gains: Matrix) -> float:
    """Return the weighted energy that stays unexplained."""
    return max(float(total - 2 * wanted @ gains + gains @ gram @ gains), 0.0)


def _mel_magnitudes(audio: Mono, sample_rate: int) -> Matrix:
    """Return the magnitudes in mel bands [bands, frames] of audio [samples]; frame f is centred on sample f * HOP."""
    padded = np.pad(audio.astype(np.float64), (WINDOW // 2, WINDOW // 2))
    frames = np.lib.stride_tricks.sliding_window_view(padded, WINDOW)[::HOP]
    spectrum = np.abs(np.fft.rfft(frames * np.hanning(WINDOW + 1)[:-1], axis=1))
    magnitudes: Matrix = np.sqrt(_mel_filters(sample_rate) @ np.square(spectrum).T)
    return magnitudes


@cache
def _mel_filters(sample_rate: int) -> Matrix:
    import librosa

    return np.asarray(librosa.filters.mel(sr=sample_rate, n_fft=WINDOW, n_mels=BANDS, norm=None), np.float64)
