"""Extract the dry one-shots of a song.

    extractors, codec = open_extractors(Path("models"))
    extraction = extract_array(audio, 48_000, extractors, codec, ExtractionConfig(tries=8))
    extraction.instruments[0].best.audio        # [samples] at codec.identity.sample_rate

The song is read twice, block by block: first to detect onsets, from which windows with clear hits are chosen, then to
read these windows. The model of each instrument generates candidates for its windows, which are ranked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import gain_to_db
from rmod_pipeline.codec import Codec, CodecIdentity
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.answers.generate import generate_candidates
from rmod_pipeline.extraction.answers.ranking import rank_candidates
from rmod_pipeline.extraction.extractor import Extractor
from rmod_pipeline.extraction.listening.onsets import DetectedOnsets, detect_onsets
from rmod_pipeline.extraction.listening.song import Song, read_mono_blocks, song_from_array
from rmod_pipeline.extraction.listening.windows import SILENT_DB, choose_windows, read_windows, window_samples
from rmod_pipeline.extraction.results import Extraction, ExtractionConfig, InstrumentExtraction, Window

SHORTEST_SECONDS = 0.25
"""Shortest song; in less, a drum cannot be told from a click."""

FINDING_DRUMS, READING_WINDOWS, EXTRACTING = "finding drums", "reading windows", "extracting"

OnStep = Callable[[str, float, float], None]
"""Called with the current phase, the amount done, and the total: seconds of song in two phases, then candidates."""


def extract_array(
    audio: NDArray[Any],
    sample_rate: int,
    extractors: Sequence[Extractor],
    codec: Codec,
    config: ExtractionConfig | None = None,
    *,
    on_step: OnStep | None = None,
) -> Extraction:
    """Extract one-shots from audio, floats [samples] or [channels, samples] at any sample rate.

    Equal audio, models, codec and configuration give equal bytes. Raises DoseError for silence and for audio shorter
    than ``SHORTEST_SECONDS``, UsageError for an option that does not fit the audio.
    """
    return extract_song(song_from_array(audio, sample_rate), extractors, codec, config, on_step=on_step)


def extract_song(
    song: Song,
    extractors: Sequence[Extractor],
    codec: Codec,
    config: ExtractionConfig | None = None,
    *,
    on_step: OnStep | None = None,
) -> Extraction:
    """Extract one-shots from a song of any length, as ``extract_array`` does. Raises also the errors of its file."""
    config, on_step = config or ExtractionConfig(), on_step or _ignore_step
    sample_rate = codec.identity.sample_rate
    onsets = _detect_all_onsets(song, sample_rate, on_step)
    chosen = choose_windows(extractors, onsets, codec.identity, config)
    parts = [window.part for windows in chosen.values() for window in windows]
    end = min(max(part.start + part.samples for part in parts) / sample_rate, onsets.seconds)
    windows = read_windows(chosen, _report_progress(song, READING_WINDOWS, end, on_step), sample_rate, config)
    total = sum(len(windows[extractor.instrument]) for extractor in extractors) * (1 + config.tries)
    counter = _CandidateCounter(on_step, total)
    return Extraction(
        about=song.about,
        seconds=onsets.seconds,
        config=config,
        codec=codec.identity,
        instruments=tuple(
            _extract_instrument(extractor, windows[extractor.instrument], codec, config, counter)
            for extractor in extractors
        ),
        notes=tuple(_make_notes(onsets, windows, extractors, codec.identity, config)),
    )


def _detect_all_onsets(song: Song, sample_rate: int, on_step: OnStep) -> DetectedOnsets:
    """Detect the onsets of the whole song. Raises DoseError for silence and for a song that is too short."""
    meter = _SwingMeter()
    measured_song = meter.measure(_report_progress(song, FINDING_DRUMS, song.seconds, on_step))
    onsets = detect_onsets(read_mono_blocks(measured_song, sample_rate), sample_rate)
    if onsets.seconds < SHORTEST_SECONDS:
        found = f"{onsets.seconds:.2f} s, too short to find a drum"
        raise DoseError(song.about, found, f"give {SHORTEST_SECONDS:g} s at least; 4 s or more are best")
    if gain_to_db(meter.swing) < SILENT_DB:
        averaged = f" once its {song.channels} channels are averaged" if song.channels > 1 else ""
        found = f"silent: nothing is louder than {SILENT_DB:g} dB of full scale{averaged}"
        raise DoseError(song.about, found, "give a song that can be heard")
    return onsets


class _SwingMeter:
    """Measure half of the peak-to-peak amplitude of a song in mono, while it is read: its peak without an offset.

    At the song's own rate, because a resampler makes a click where an offset begins.
    """

    def __init__(self) -> None:
        self._least, self._most = math.inf, -math.inf

    @property
    def swing(self) -> float:
        """The amplitude of what was read; 0 before that."""
        return max(self._most - self._least, 0.0) / 2

    def measure(self, song: Song) -> Song:
        """Return the song with blocks that are measured."""

        def read_blocks() -> Iterator[NDArray[np.float32]]:
            for block in song.blocks():
                if block.size:
                    mono = block.mean(axis=1, dtype=np.float32)
                    self._least, self._most = min(self._least, float(mono.min())), max(self._most, float(mono.max()))
                yield block

        return replace(song, blocks=read_blocks)


def _report_progress(song: Song, phase: str, seconds: float, on_step: OnStep) -> Song:
    """Return the song with blocks that report how much of ``seconds`` has been read."""

    def read_blocks() -> Iterator[NDArray[np.float32]]:
        frames = 0
        for block in song.blocks():
            frames += len(block)
            on_step(phase, min(frames / song.sample_rate, seconds), seconds)
            yield block

    return replace(song, blocks=read_blocks)


def _extract_instrument(
    extractor: Extractor,
    windows: Sequence[Window],
    codec: Codec,
    config: ExtractionConfig,
    counter: _CandidateCounter,
) -> InstrumentExtraction:
    candidates = generate_candidates(extractor, windows, codec, config, counter.add)
    ranked = rank_candidates(candidates, extractor.instrument, windows, codec.identity.sample_rate)
    return InstrumentExtraction(
        instrument=extractor.instrument,
        windows=tuple(windows),
        candidates=tuple(ranked),
        checkpoint=extractor.source,
    )


def _make_notes(
    onsets: DetectedOnsets,
    windows: Mapping[str, Sequence[Window]],
    extractors: Sequence[Extractor],
    codec: CodecIdentity,
    config: ExtractionConfig,
) -> Iterator[str]:
    """Yield remarks for the user."""
    longest = max(window_samples(extractor, codec) for extractor in extractors) / codec.sample_rate
    if onsets.seconds < longest:
        yield f"The song has {onsets.seconds:.2f} s; silence was added, because the model needs {longest:.2f} s."
    for instrument, chosen in windows.items():
        if not config.at and not any(window.clarity_db for window in chosen):
            yield f"No clear {instrument} was found; the loudest windows were used instead."
    masked = [extractor.instrument for extractor in extractors if not extractor.tail_learned]
    if masked:
        yield (
            f"What follows the end of a sound means nothing ({', '.join(masked)}): the model was trained with tail: "
            "masked, which leaves the end out. Cut it by ear, or train with tail: learned."
        )


class _CandidateCounter:
    """Report how many candidates are generated."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self._on_step, self._total, self._count = on_step, total, 0

    def add(self, count: int) -> None:
        self._count += count
        self._on_step(EXTRACTING, self._count, self._total)


def _ignore_step(_phase: str, _done: float, _total: float) -> None:
    pass
