"""Extract the dry one-shots of a song.

    answerers = open_answerers("both", checkpoint=Path("models"), open_library=lambda: load_library("library.csv"))
    extraction = extract_array(audio, 48_000, answerers, ExtractionConfig(tries=8))
    extraction["kick"].best.audio        # [samples] at extraction.sample_rate

The song is read twice, block by block: first to find the hits of each drum, by the ear or by the levels of bands, from
which windows are chosen; then to read these windows. Models generate candidates for them, others are picked from known
sounds, and all are ranked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import gain_to_db
from rmod_pipeline.codec.window import target_frames
from rmod_pipeline.ear.model import Description
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction.answers.generate import generate_candidates
from rmod_pipeline.extraction.answers.pick import pick_candidates, score_candidates_by_ear
from rmod_pipeline.extraction.answers.ranking import rank_by_ear, rank_generated
from rmod_pipeline.extraction.listening.ear import SongListener
from rmod_pipeline.extraction.listening.onsets import DetectedOnsets, Hits, detect_onsets, find_hits
from rmod_pipeline.extraction.listening.song import Song, read_mono_blocks, song_from_array
from rmod_pipeline.extraction.listening.windows import SILENT_DB, choose_windows, read_windows
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.results import (
    Candidate,
    Extraction,
    ExtractionConfig,
    GeneratedCandidate,
    InstrumentExtraction,
    PickedCandidate,
    Window,
)

SHORT_SECONDS = 0.05
"""A song that is shorter than a window by no more than this, such as one of 4 s, needs no remark."""
SHORTEST_SECONDS = 0.25
"""Shortest song; in less, a drum cannot be told from a click."""

FINDING_DRUMS, READING_WINDOWS, EXTRACTING = "finding drums", "reading windows", "extracting"

OnStep = Callable[[str, float, float], None]
"""Called with the current phase, the amount done, and the total: seconds of song in two phases, then candidates."""


def extract_array(
    audio: NDArray[Any],
    sample_rate: int,
    answerers: Answerers,
    config: ExtractionConfig | None = None,
    *,
    on_step: OnStep | None = None,
) -> Extraction:
    """Extract one-shots from audio, floats [samples] or [channels, samples] at any sample rate.

    Equal audio, models, sounds and configuration give equal bytes. Raises DoseError for silence and for audio shorter
    than ``SHORTEST_SECONDS``, UsageError for an option that does not fit the audio.
    """
    return extract_song(song_from_array(audio, sample_rate), answerers, config, on_step=on_step)


def extract_song(
    song: Song, answerers: Answerers, config: ExtractionConfig | None = None, *, on_step: OnStep | None = None
) -> Extraction:
    """Extract one-shots from a song of any length, as ``extract_array`` does. Raises also the errors of its file."""
    config, on_step = config or ExtractionConfig(), on_step or _ignore_step
    sample_rate = answerers.sample_rate
    onsets, hits = _find_all_hits(song, answerers, on_step)
    samples = {instrument: answerers.window_samples(instrument) for instrument in answerers.instruments}
    chosen = choose_windows(hits, samples, onsets, sample_rate, config)
    parts = [window.part for windows in chosen.values() for window in windows]
    end = min(max(part.start + part.samples for part in parts) / sample_rate, onsets.seconds)
    windows = read_windows(chosen, _report_progress(song, READING_WINDOWS, end, on_step), sample_rate, config)
    counter = _CandidateCounter(on_step, _count_candidates(answerers, windows, config))
    return Extraction(
        about=song.about,
        seconds=onsets.seconds,
        sample_rate=sample_rate,
        config=config,
        codec=answerers.codec.identity if answerers.codec is not None else None,
        library=_describe_library(answerers),
        instruments=tuple(
            _extract_instrument(instrument, answerers, windows[instrument], config, counter)
            for instrument in answerers.instruments
        ),
        notes=tuple(_make_notes(song, onsets, windows, answerers, config)),
    )


def _find_all_hits(song: Song, answerers: Answerers, on_step: OnStep) -> tuple[DetectedOnsets, dict[str, Hits]]:
    """Read the song once; return its band levels, and the hits of each instrument as the ear hears them or by bands."""
    listener = SongListener(answerers.ear) if answerers.ear is not None else None
    onsets = _detect_all_onsets(song, answerers.sample_rate, on_step, listener)
    hits = {
        instrument: listener.find_hits(instrument)
        if listener is not None and answerers.hears(instrument)
        else find_hits(instrument, onsets)
        for instrument in answerers.instruments
    }
    return onsets, hits


def _detect_all_onsets(
    song: Song, sample_rate: int, on_step: OnStep, listener: SongListener | None = None
) -> DetectedOnsets:
    """Detect the onsets of the whole song. Raises DoseError for silence and for a song that is too short."""
    meter = _SwingMeter()
    measured_song = meter.measure(_report_progress(song, FINDING_DRUMS, song.seconds, on_step))
    blocks = read_mono_blocks(measured_song, sample_rate)
    onsets = detect_onsets(listener.listen(blocks) if listener is not None else blocks, sample_rate)
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


def _count_candidates(answerers: Answerers, windows: Mapping[str, Sequence[Window]], config: ExtractionConfig) -> int:
    """Return the number of candidates that will be made, and of known sounds that will be described first."""
    generated = sum(len(windows[name]) for name in answerers.instruments if name in answerers.extractors)
    picked = answerers.picked
    described = sum(answerers.known.count_undescribed(name) for name in picked) if answerers.known else 0
    return generated * (1 + config.tries) + described + config.picks * len(picked)


def _describe_library(answerers: Answerers) -> dict[str, Any] | None:
    """Return what identifies the library that sounds are picked from."""
    if not answerers.picked or answerers.known is None:
        return None
    library = answerers.known.library
    return {"digest": library.digest, "sounds": len(library.assets)}


def _extract_instrument(
    instrument: str,
    answerers: Answerers,
    windows: Sequence[Window],
    config: ExtractionConfig,
    counter: _CandidateCounter,
) -> InstrumentExtraction:
    """Generate and pick the candidates for one instrument, and rank them."""
    extractor, codec, ear = answerers.extractors.get(instrument), answerers.codec, answerers.ear
    generated: list[GeneratedCandidate] = []
    picked: list[PickedCandidate] = []
    heard: Description | None = None
    if extractor is not None and codec is not None:
        generated = generate_candidates(extractor, windows, codec, config, counter.add)
    if ear is not None and answerers.hears(instrument):
        heard = ear.describe_windows(instrument, [window.audio for window in windows])
        generated = score_candidates_by_ear(ear, instrument, heard, generated)
        if answerers.known is not None:
            picked = pick_candidates(answerers.known.bank(instrument, counter.add), heard, config)
            counter.add(config.picks)
    candidates: Sequence[Candidate]
    if picked:
        candidates = rank_by_ear([*picked, *generated])
    else:
        samples = None if codec is None else target_frames(instrument) * codec.identity.hop
        candidates = rank_generated(generated, instrument, windows, answerers.sample_rate, samples)
    return InstrumentExtraction(
        instrument=instrument,
        windows=tuple(windows),
        candidates=tuple(candidates),
        checkpoint=extractor.source if extractor is not None else None,
        ear=ear.source if ear is not None and heard is not None else None,
    )


def _make_notes(
    song: Song,
    onsets: DetectedOnsets,
    windows: Mapping[str, Sequence[Window]],
    answerers: Answerers,
    config: ExtractionConfig,
) -> Iterator[str]:
    """Yield remarks for the user."""
    longest = max(answerers.window_samples(name) for name in answerers.instruments) / answerers.sample_rate
    if onsets.seconds < longest - SHORT_SECONDS:
        yield f"The song has {onsets.seconds:.2f} s; silence was added, because a window has {longest:.2f} s."
    if song.sample_rate < answerers.sample_rate:
        yield (
            f"The song has {song.sample_rate:g} Hz, so everything above {song.sample_rate / 2:g} Hz is missing: "
            "hits may be missed, and answers may be dull."
        )
    for instrument, chosen in windows.items():
        if not config.at and not any(window.clarity_db for window in chosen):
            yield f"No clear {instrument} was found; the loudest windows were used instead."
    yield from _make_notes_on_picks(answerers)
    for second in config.at:
        if second > max(onsets.seconds - longest, 0) + SHORT_SECONDS:
            yield f"A window at {second:g} s would reach beyond the end of the song: it begins earlier."
    masked = [name for name, extractor in answerers.extractors.items() if not extractor.tail_learned]
    if masked:
        yield (
            f"What follows the end of a sound means nothing ({', '.join(masked)}): the model was trained with tail: "
            "masked, which leaves the end out. Cut it by ear, or train with tail: learned."
        )


def _make_notes_on_picks(answerers: Answerers) -> Iterator[str]:
    """Yield remarks on drums for which nothing is picked, although sounds are picked."""
    unheard = [name for name in answerers.instruments if answerers.known is not None and not answerers.hears(name)]
    if unheard:
        yield f"No known sound is picked for {', '.join(unheard)}, which the ear does not hear."
    if answerers.lacking:
        yield f"No known sound is picked for {', '.join(answerers.lacking)}, which the library does not have."


class _CandidateCounter:
    """Report how many candidates are made."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self._on_step, self._total, self._count = on_step, total, 0

    def add(self, count: int) -> None:
        self._count += count
        self._on_step(EXTRACTING, self._count, self._total)


def _ignore_step(_phase: str, _done: float, _total: float) -> None:
    pass
