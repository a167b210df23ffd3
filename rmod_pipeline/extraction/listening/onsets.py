"""Find the hits of drums in a song, and how clearly each is heard, from the levels of four frequency bands.

    onsets = detect_onsets(read_mono_blocks(song, rate), rate)      # band levels, 86 times per second
    hits = find_hits("kick", onsets)                                # times in seconds, clarity in dB

A hit is clear if the bands of its drum suddenly get louder while the bands of other drums do not. The rise is the level
46 ms after minus the level 46 ms before, in dB, less a quarter of the rise in other bands. Levels are in dB, because a
sound in the same band before the hit also hides the hit's tail. The level of a band is the mean over its frequencies of
their levels, not the level of their sum, because drums rise at all frequencies of a band and notes at a few.

This is no transcription: a bass note may pass for a kick. It only has to find good windows for the model.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.codec.window import Mono

BANDS_HZ: Mapping[str, tuple[float, float]] = {
    "low": (35.0, 120.0),
    "body": (150.0, 400.0),
    "mid": (1_500.0, 6_000.0),
    "high": (8_000.0, 16_000.0),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class DrumBands:
    """The bands by which a drum is recognised."""

    own: tuple[str, ...]
    """Bands that the drum makes louder."""
    others: tuple[str, ...]
    """Bands that other drums make louder."""


_METAL = DrumBands(own=("high",), others=("body",))
_NOISE = DrumBands(own=("body", "mid"), others=("low", "high"))
DRUM_BANDS: Mapping[str, DrumBands] = {
    "kick": DrumBands(own=("low",), others=("mid",)),
    "snare": _NOISE,
    "clap": _NOISE,
    "hihat": _METAL,
    "cymbal": _METAL,
}
OTHER_DRUM_BANDS = DrumBands(own=("body",), others=("low", "high"))
"""Bands of a kind that is not listed, such as a tom."""
OTHERS_WEIGHT = 0.25
"""Weight of the largest rise in other bands; small, because kicks and hi-hats often sound together."""

LOUD_PERCENTILE = 99.9
"""Percentile of a band's levels that counts as loud; a single click does not reach it."""
LEAST_CLARITY_DB = 6.0
"""Least clarity of a hit."""
MOST_RISE_DB = 40.0
"""A band this far below its loud level counts as silent. So it is also the largest rise."""
FAINT_DB = 90.0
"""Any band this far below the loudest band's loud level counts as silent, because nothing can be heard there."""

_LEAST_POWER = 1e-8
"""Added to every bin: slightly more than the noise of 16-bit samples, so that silence has a finite level."""
_FRAME_SECONDS = 0.046
"""Length of a frame, rounded to a power of two in samples."""
_HOPS_PER_FRAME = 4
_RISE_HOPS = 2
"""The rise compares the levels this many hops before and after, so that the two frames hardly overlap."""
_HIT_DISTANCE_HOPS = 4
"""Least distance between two hits."""
_BATCH = 256
"""Frames per Fourier transform: always the same number, so that the blocks of the song affect no result."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedOnsets:
    """The band levels of a song at each hop, from which the hits of every drum are found."""

    levels_db: Mapping[str, NDArray[np.float32]]
    """By band: mean over its frequencies of their levels [hops]."""
    power: NDArray[np.float32]
    """Power of all bands together [hops]."""
    hop_seconds: float
    seconds: float
    """Length of the song."""
    peak: float
    """Largest absolute sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """The hits of one drum."""

    seconds: NDArray[np.float64]
    """Times [hits], ascending."""
    clarity_db: NDArray[np.float64]
    """How clearly each is heard [hits]."""


def detect_onsets(blocks: Iterable[Mono], sample_rate: int) -> DetectedOnsets:
    """Measure the level of each band at each hop of a song, given as blocks [samples]."""
    frame = 1 << round(np.log2(_FRAME_SECONDS * sample_rate))
    bins = {band: _bins_of_band(hz, frame, sample_rate) for band, hz in BANDS_HZ.items()}
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    levels: dict[str, list[NDArray[np.float32]]] = {band: [] for band in BANDS_HZ}
    powers: list[NDArray[np.float32]] = []
    measured = _MeasuredBlocks(blocks)
    for frames in _split_into_frames(measured, frame, frame // _HOPS_PER_FRAME):
        power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 + np.float32(_LEAST_POWER)
        for band, inside in bins.items():
            levels[band].append(np.log10(power[:, inside]).mean(axis=1) * 10)
        powers.append(sum(power[:, inside].sum(axis=1) for inside in bins.values()))
    return DetectedOnsets(
        levels_db={band: np.concatenate(parts) for band, parts in levels.items()},
        power=np.concatenate(powers),
        hop_seconds=frame // _HOPS_PER_FRAME / sample_rate,
        seconds=measured.samples / sample_rate,
        peak=measured.peak,
    )


def find_hits(instrument: str, onsets: DetectedOnsets) -> Hits:
    """Return the hits of a drum: the clearest moments that are at least ``LEAST_CLARITY_DB`` clear."""
    clarity = measure_clarity(DRUM_BANDS.get(instrument, OTHER_DRUM_BANDS), onsets)
    padded = np.pad(clarity, _HIT_DISTANCE_HOPS, constant_values=-np.inf)
    neighbours = np.lib.stride_tricks.sliding_window_view(padded, 2 * _HIT_DISTANCE_HOPS + 1)
    # Of equally clear neighbours, argmax takes the first.
    peaks = np.flatnonzero((clarity >= LEAST_CLARITY_DB) & (neighbours.argmax(axis=1) == _HIT_DISTANCE_HOPS))
    return Hits(seconds=peaks.astype(np.float64) * onsets.hop_seconds, clarity_db=clarity[peaks])


def measure_clarity(bands: DrumBands, onsets: DetectedOnsets) -> NDArray[np.float64]:
    """Return the clarity of a drum at each hop in dB: the rise of its bands minus a share of that of other bands."""
    loud = {band: float(np.percentile(levels, LOUD_PERCENTILE)) for band, levels in onsets.levels_db.items()}
    faint = max(loud.values()) - FAINT_DB

    def rise(band: str) -> NDArray[np.float64]:
        levels = np.maximum(onsets.levels_db[band].astype(np.float64), max(loud[band] - MOST_RISE_DB, faint))
        padded = np.pad(levels, _RISE_HOPS, mode="edge")
        difference: NDArray[np.float64] = padded[2 * _RISE_HOPS :] - padded[: -2 * _RISE_HOPS]
        return difference

    others = np.max([rise(band) for band in bands.others], axis=0)
    own: NDArray[np.float64] = np.mean([rise(band) for band in bands.own], axis=0)
    contrast: NDArray[np.float64] = own - OTHERS_WEIGHT * np.maximum(others, 0)
    return contrast


class _MeasuredBlocks:
    """Iterate over blocks, counting their samples and their peak."""

    def __init__(self, blocks: Iterable[Mono]) -> None:
        self._blocks, self.samples, self.peak = blocks, 0, 0.0

    def __iter__(self) -> Iterator[Mono]:
        for block in self._blocks:
            if block.size:
                self.samples += block.size
                self.peak = max(self.peak, float(block.max()), -float(block.min()))
            yield block


def _split_into_frames(blocks: Iterable[Mono], frame: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Yield frames [_BATCH, frame], fewer at the end; each is centred on a multiple of the hop."""
    step = _BATCH * hop
    silence = np.zeros(frame // 2, np.float32)
    pending, size = [silence], silence.size
    for block in blocks:
        pending.append(block)
        size += block.size
        if size >= step + frame:
            joined = np.concatenate(pending)
            while joined.size >= step + frame:
                yield np.lib.stride_tricks.sliding_window_view(joined[: step + frame - hop], frame)[::hop]
                joined = joined[step:]
            pending, size = [joined.copy()], joined.size
    joined = np.concatenate([*pending, silence])
    while joined.size >= frame:
        part = joined[: step + frame - hop]
        yield np.lib.stride_tricks.sliding_window_view(part, frame)[::hop]
        joined = joined[step:]


def _bins_of_band(hz: tuple[float, float], frame: int, sample_rate: int) -> slice:
    """Return the frequency bins of a band; of a band above half the sample rate, the last bin."""
    first, last = (min(round(limit * frame / sample_rate), frame // 2) for limit in hz)
    return slice(first, max(last, first + 1))
