"""Choose the windows of a song that the model is given, and read them.

positions = pick_windows(hits, onsets, window_seconds=4.0, count=3)      # start times, spread over the song
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import gain_to_db, swing
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.errors import UsageError
from rmod_pipeline.extraction.listening.onsets import DetectedOnsets, Hits
from rmod_pipeline.extraction.listening.song import Song, SongPart, read_parts
from rmod_pipeline.extraction.results import ExtractionConfig, Window

HITS_PER_WINDOW = 4
"""Clear hits that count for a window; more of them make it no better."""
LEAD_SECONDS = 0.1
"""Time from the start of a window to the hit that it is chosen for."""
TAIL_SECONDS = 0.3
"""A hit closer than this to the end of a window does not count for it."""
FAINT_WINDOW_DB = 60.0
"""A window this far below the loudest one counts as silent."""
EDGE_SAMPLES = 512
"""Samples at the beginning and the end of a song that do not make a window audible."""
SILENT_DB = -80.0
"""Peak, relative to full scale, below which a song, or a window that the user chose, counts as silent."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TimePosition:
    """A position in a song at which a window starts."""

    seconds: float
    clarity_db: float | None
    """Mean over its ``HITS_PER_WINDOW`` clearest hits, missing ones counting 0; None where the user chose it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ChosenWindow:
    """A window that is chosen but not read yet."""

    position: TimePosition
    hits: tuple[float, ...]
    """Times of the drum's hits, in seconds from the start of the window."""
    part: SongPart

    def with_audio(self, audio: Mono) -> Window:
        """Return the window with its audio."""
        return Window(seconds=self.position.seconds, clarity_db=self.position.clarity_db, hits=self.hits, audio=audio)


def choose_windows(
    hits: Mapping[str, Hits],
    samples: Mapping[str, int],
    onsets: DetectedOnsets,
    sample_rate: int,
    config: ExtractionConfig,
) -> dict[str, list[ChosenWindow]]:
    """Choose windows for each instrument, given its hits and the length of its windows in samples.

    Raises UsageError for a position after the end of the song.
    """
    return {
        instrument: _choose_for(hits[instrument], samples[instrument], onsets, sample_rate, config)
        for instrument in hits
    }


def read_windows(
    chosen: Mapping[str, Sequence[ChosenWindow]], song: Song, sample_rate: int, config: ExtractionConfig
) -> dict[str, tuple[Window, ...]]:
    """Read chosen windows from the song, by instrument. Raises UsageError for silence at a position of the user."""
    parts = [window.part for windows in chosen.values() for window in windows]
    audio_of = read_parts(song, sample_rate, parts)
    for part, audio in audio_of.items():
        if config.at and gain_to_db(_measure_swing(part, audio)) < SILENT_DB:
            found = f"silence: nothing is louder than {SILENT_DB:g} dB of full scale there"
            raise UsageError(f"--at {part.start / sample_rate:g}", found, "give a time at which the drum is heard")
    return {
        instrument: tuple(window.with_audio(audio_of[window.part]) for window in windows)
        for instrument, windows in chosen.items()
    }


def pick_windows(hits: Hits, onsets: DetectedOnsets, window_seconds: float, count: int) -> list[TimePosition]:
    """Return at most ``count`` start positions of windows, the clearest first, spread over the song.

    Two windows start at least half of an even share of the song apart if there are enough hits; else a window's length;
    else half of it, for short songs. Without any hit the loudest windows are returned, with a clarity of 0.
    """
    last = max(onsets.seconds - window_seconds, 0.0)
    positions = _positions_of_hits(hits, last, window_seconds) or _loud_positions(onsets, last, window_seconds)
    picked: list[TimePosition] = []
    for distance in (max(last / (2 * count), window_seconds), window_seconds, window_seconds / 2):
        for position in positions:
            if len(picked) == count:
                break
            if all(abs(position.seconds - earlier.seconds) >= distance for earlier in picked):
                picked.append(position)
    return sorted(picked, key=lambda position: -(position.clarity_db or 0.0))


def _measure_swing(part: SongPart, audio: Mono) -> float:
    """Return half of the peak-to-peak amplitude of a window [samples]: its peak without a constant offset.

    The padding after the end of the song is not counted, nor is the click at its ends that resampling makes of an
    offset.
    """
    last = int(np.flatnonzero(audio)[-1]) + 1 if audio.any() else 0
    start = EDGE_SAMPLES if part.start < EDGE_SAMPLES else 0
    end = last - EDGE_SAMPLES if last < audio.size else last
    inner = audio[start:end] if end - start >= EDGE_SAMPLES else audio[:last]
    return swing(inner[None])


def _choose_for(
    hits: Hits, samples: int, onsets: DetectedOnsets, sample_rate: int, config: ExtractionConfig
) -> list[ChosenWindow]:
    """Choose the windows of one instrument."""
    seconds = samples / sample_rate
    positions = _positions_of_user(onsets, seconds, config) or pick_windows(hits, onsets, seconds, config.windows)
    return [
        ChosenWindow(
            position=position,
            hits=_select_hits(hits, position.seconds, seconds),
            part=SongPart(start=round(position.seconds * sample_rate), samples=samples),
        )
        for position in positions
    ]


def _positions_of_user(onsets: DetectedOnsets, window_seconds: float, config: ExtractionConfig) -> list[TimePosition]:
    """Return the positions in ``config.at``, moved forward where the window would end after the song."""
    for second in config.at:
        if second >= onsets.seconds:
            found = f"beyond the end: the song has {onsets.seconds:.2f} s"
            raise UsageError(f"--at {second:g}", found, "give seconds from the start of the song")
    last = max(onsets.seconds - window_seconds, 0.0)
    starts = dict.fromkeys(min(second, last) for second in config.at)
    return [TimePosition(seconds=second, clarity_db=None) for second in starts]


def _select_hits(hits: Hits, start: float, window_seconds: float) -> tuple[float, ...]:
    """Return the hits inside a window, in seconds from its start."""
    return tuple(float(second) - start for second in hits.seconds if start <= second < start + window_seconds)


def _positions_of_hits(hits: Hits, last: float, window_seconds: float) -> list[TimePosition]:
    """Return a position slightly before every hit, the clearest first; of equally clear ones the earliest first."""
    starts = np.unique(np.clip(hits.seconds - LEAD_SECONDS, 0.0, last))
    firsts = np.searchsorted(hits.seconds, starts)
    ends = np.searchsorted(hits.seconds, starts + window_seconds - TAIL_SECONDS)
    positions = []
    for start, first, end in zip(starts, firsts, ends, strict=True):
        clearest = np.sort(hits.clarity_db[first:end])[-HITS_PER_WINDOW:]
        if clearest.size:
            clarity = float(clearest.sum()) / HITS_PER_WINDOW
            positions.append(TimePosition(seconds=float(start), clarity_db=clarity))
    return sorted(positions, key=lambda position: (-(position.clarity_db or 0.0), position.seconds))


def _loud_positions(onsets: DetectedOnsets, last: float, window_seconds: float) -> list[TimePosition]:
    """Return a position every half window, the loudest first, without windows that are silent compared to it."""
    cumulative = np.cumsum(np.concatenate([[0.0], onsets.power.astype(np.float64)]))
    starts = np.append(np.arange(0.0, last, window_seconds / 2), last)

    def energy_before(seconds: NDArray[np.float64]) -> NDArray[np.float64]:
        energy: NDArray[np.float64] = cumulative[
            np.minimum(np.rint(seconds / onsets.hop_seconds).astype(int), cumulative.size - 1)
        ]
        return energy

    energy = energy_before(starts + window_seconds) - energy_before(starts)
    loudest_first = np.argsort(-energy, kind="stable")
    audible = loudest_first[energy[loudest_first] >= energy.max() * 10 ** (-FAINT_WINDOW_DB / 10)]
    return [TimePosition(seconds=float(starts[index]), clarity_db=0.0) for index in audible]
