"""Where in a song a drum is heard clearly: pure functions of how much louder bands become.

    heard = listen(mono_blocks(song, rate), rate)      # levels of four bands, 86 times a second
    hits = hits_of("kick", heard)                      # when, and how clear, in dB
    windows = pick_windows(hits, heard, 4.0, 3)        # where to look, spread over the song

A hit is clear if its own bands are suddenly much louder while the bands that other drums rise in are not: 46 ms after
against 46 ms before, in dB, less a quarter of the rise elsewhere. In dB, because what sounds in the same band before
the hit is what will hide the hit's tail too; and the mean of each frequency's level, not the level of their sum,
because drums rise at all frequencies of a band and notes at a few. Not a transcription: a bass note may pass for a
kick. It need only find good places, and the model has the last word by its own probability.
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
class Mark:
    """How a drum shows."""

    own: tuple[str, ...]
    """The bands that it makes louder."""
    against: tuple[str, ...]
    """Bands that other drums make louder."""


_METAL = Mark(own=("high",), against=("body",))
_NOISE = Mark(own=("body", "mid"), against=("low", "high"))
MARKS: Mapping[str, Mark] = {
    "kick": Mark(own=("low",), against=("mid",)),
    "snare": _NOISE,
    "clap": _NOISE,
    "hihat": _METAL,
    "cymbal": _METAL,
}
OTHER_MARK = Mark(own=("body",), against=("low", "high"))
"""Of a kind that is not listed, such as a tom."""
AGAINST = 0.25
"""How much the largest rise elsewhere counts. Kicks and hi-hats often fall together, so not much."""

LOUD_PERCENTILE = 99.9
"""Of a band's levels: its loud moments, but for a click."""
LEAST_DB = 6.0
"""Clarity of a hit; what rises less is none."""
MOST_DB = 40.0
"""How far below its loud moments a band counts as silent, and so the largest rise there can be."""
FAINT_DB = 90.0
"""How far below the loudest band's loud moments any band counts as silent: nothing there can be heard."""
FAINT_WINDOW_DB = 60.0
"""How far below the loudest window one counts as silent."""
HITS = 4
"""A window with so many clear hits is as good as one with more."""
LEAD_SECONDS = 0.1
"""A window begins so long before a hit."""
TAIL_SECONDS = 0.3
"""A hit later than this before a window's end does not count for it."""

_LEAST_POWER = 1e-8
"""Added to every bin: a little more than the noise of 16-bit samples, so that silence has a level."""
_FRAME_SECONDS = 0.046
"""The nearest power of two of samples is taken, and a quarter of it for a hop."""
_HOPS = 4
_AROUND = 2
"""Hops before and after a moment: together as long as a frame, so that the two frames hardly overlap."""
_APART = 4
"""Hops between two hits at least."""
_BATCH = 256
"""Frames that are transformed at once, always as many, so that nothing depends on how the song came in blocks."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DetectedOnsets:
    """What was heard of a song, at each hop."""

    levels_db: Mapping[str, NDArray[np.float32]]
    """By band, the mean over its frequencies of their levels."""
    power: NDArray[np.float32]
    """Of all bands together."""
    hop_seconds: float
    seconds: float
    """Of the song."""
    peak: float
    """Largest absolute sample."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hits:
    """When a drum is heard, and how clearly."""

    seconds: NDArray[np.float64]
    """Ascending."""
    clarity_db: NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePosition:
    """A window of a song."""

    seconds: float
    """Where it begins."""
    clarity_db: float | None
    """Mean over its ``HITS`` clearest hits, a missing one counting 0; None if nobody looked for any."""


def detect_onsets(blocks: Iterable[Mono], sample_rate: int) -> DetectedOnsets:
    """Return how loud each band is at each hop of a song that comes in blocks."""
    frame = 1 << round(np.log2(_FRAME_SECONDS * sample_rate))
    bins = {band: _bins(hz, frame, sample_rate) for band, hz in BANDS_HZ.items()}
    window = np.hanning(frame + 1)[:-1].astype(np.float32)
    levels: dict[str, list[NDArray[np.float32]]] = {band: [] for band in BANDS_HZ}
    powers: list[NDArray[np.float32]] = []
    counted = _Counted(blocks)
    for frames in _frames(counted, frame, frame // _HOPS):
        power = np.abs(np.fft.rfft(frames * window, axis=1)) ** 2 + np.float32(_LEAST_POWER)
        for band, inside in bins.items():
            levels[band].append(np.log10(power[:, inside]).mean(axis=1) * 10)
        powers.append(sum(power[:, inside].sum(axis=1) for inside in bins.values()))
    return DetectedOnsets(
        levels_db={band: np.concatenate(parts) for band, parts in levels.items()},
        power=np.concatenate(powers),
        hop_seconds=frame // _HOPS / sample_rate,
        seconds=counted.samples / sample_rate,
        peak=counted.peak,
    )


def hits_of(instrument: str, heard: DetectedOnsets) -> Hits:
    """Return when a drum is heard, and how clearly."""
    clarity = clarity_of(MARKS.get(instrument, OTHER_MARK), heard)
    padded = np.pad(clarity, _APART, constant_values=-np.inf)
    around = np.lib.stride_tricks.sliding_window_view(padded, 2 * _APART + 1)
    # Of equals the first.
    peaks = np.flatnonzero((clarity >= LEAST_DB) & (around.argmax(axis=1) == _APART))
    return Hits(seconds=peaks.astype(np.float64) * heard.hop_seconds, clarity_db=clarity[peaks])


def clarity_of(mark: Mark, heard: DetectedOnsets) -> NDArray[np.float64]:
    """Return at each hop how much a drum's bands rise, less ``AGAINST`` of the largest rise elsewhere, in dB."""
    loud = {band: float(np.percentile(each, LOUD_PERCENTILE)) for band, each in heard.levels_db.items()}
    faint = max(loud.values()) - FAINT_DB

    def rise(band: str) -> NDArray[np.float64]:
        levels = np.maximum(heard.levels_db[band].astype(np.float64), max(loud[band] - MOST_DB, faint))
        around = np.pad(levels, _AROUND, mode="edge")
        return around[2 * _AROUND :] - around[: -2 * _AROUND]

    elsewhere = np.max([rise(band) for band in mark.against], axis=0)
    own: NDArray[np.float64] = np.mean([rise(band) for band in mark.own], axis=0)
    return own - AGAINST * np.maximum(elsewhere, 0)


def pick_windows(hits: Hits, heard: DetectedOnsets, window_seconds: float, count: int) -> list[TimePosition]:
    """Return at most ``count`` places to look at, the clearest first, spread over the song.

    Two windows begin at least half of an even share of the song apart where there are hits enough; else a window's
    length; else half of it, for short songs. Without any hit they are the loudest, with a clarity of 0.
    """
    last = max(heard.seconds - window_seconds, 0.0)
    places = _places(hits, last, window_seconds) or _loud_places(heard, last, window_seconds)
    chosen: list[TimePosition] = []
    for apart in (max(last / (2 * count), window_seconds), window_seconds, window_seconds / 2):
        for place in places:
            if len(chosen) == count:
                break
            if all(abs(place.seconds - other.seconds) >= apart for other in chosen):
                chosen.append(place)
    return sorted(chosen, key=lambda place: -(place.clarity_db or 0.0))


def hits_in(hits: Hits, start: float, window_seconds: float) -> tuple[float, ...]:
    """Return the hits of a window, in seconds from its beginning."""
    return tuple(float(at) - start for at in hits.seconds if start <= at < start + window_seconds)


def _places(hits: Hits, last: float, window_seconds: float) -> list[TimePosition]:
    """Return a place for every hit, a little before it: the clearest first, of equals the earliest."""
    starts = np.unique(np.clip(hits.seconds - LEAD_SECONDS, 0.0, last))
    firsts = np.searchsorted(hits.seconds, starts)
    ends = np.searchsorted(hits.seconds, starts + window_seconds - TAIL_SECONDS)
    places = []
    for start, first, end in zip(starts, firsts, ends, strict=True):
        clearest = np.sort(hits.clarity_db[first:end])[-HITS:]
        if clearest.size:
            places.append(TimePosition(seconds=float(start), clarity_db=float(clearest.sum()) / HITS))
    return sorted(places, key=lambda place: (-(place.clarity_db or 0.0), place.seconds))


def _loud_places(heard: DetectedOnsets, last: float, window_seconds: float) -> list[TimePosition]:
    """Return a place every half window, the loudest first, without those that are silent beside it."""
    reached = np.cumsum(np.concatenate([[0.0], heard.power.astype(np.float64)]))
    starts = np.append(np.arange(0.0, last, window_seconds / 2), last)

    def before(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        return reached[np.minimum(np.rint(seconds / heard.hop_seconds).astype(int), reached.size - 1)]

    energy = before(starts + window_seconds) - before(starts)
    loudest_first = np.argsort(-energy, kind="stable")
    kept = loudest_first[energy[loudest_first] >= energy.max() * 10 ** (-FAINT_WINDOW_DB / 10)]
    return [TimePosition(seconds=float(starts[place]), clarity_db=0.0) for place in kept]


class _Counted:
    """Blocks, and how many samples they had, and the loudest."""

    def __init__(self, blocks: Iterable[Mono]) -> None:
        self._blocks, self.samples, self.peak = blocks, 0, 0.0

    def __iter__(self) -> Iterator[Mono]:
        for block in self._blocks:
            if block.size:
                self.samples += block.size
                self.peak = max(self.peak, float(block.max()), -float(block.min()))
            yield block


def _frames(blocks: Iterable[Mono], frame: int, hop: int) -> Iterator[NDArray[np.float32]]:
    """Yield frames [_BATCH, frame], fewer at the end, each centred on a multiple of the hop."""
    step = _BATCH * hop
    silence = np.zeros(frame // 2, np.float32)
    held, more = [silence], silence.size
    for block in blocks:
        held.append(block)
        more += block.size
        if more >= step + frame:
            joined = np.concatenate(held)
            while joined.size >= step + frame:
                yield np.lib.stride_tricks.sliding_window_view(joined[: step + frame - hop], frame)[::hop]
                joined = joined[step:]
            held, more = [joined.copy()], joined.size
    joined = np.concatenate([*held, silence])
    while joined.size >= frame:
        part = joined[: step + frame - hop]
        yield np.lib.stride_tricks.sliding_window_view(part, frame)[::hop]
        joined = joined[step:]


def _bins(hz: tuple[float, float], frame: int, sample_rate: int) -> slice:
    """Return the bins of a band; of one that lies above what the rate can hold, the last bin alone."""
    first, last = (min(round(each * frame / sample_rate), frame // 2) for each in hz)
    return slice(first, max(last, first + 1))
