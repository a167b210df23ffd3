"""A song -> the dry one-shots that are heard in it.

    extractors, codec = open_extractors(Path("models"))
    made = extract(audio, 48_000, extractors, codec, Asked(tries=8))
    made.instruments[0].best.audio        # [samples] at codec.identity.sample_rate

The song is read in blocks, twice: to find where each drum is heard clearly, and to take these windows out. Then, for
each instrument: tokens of its windows, tokens of the one-shot in several tries, their sound, ranked.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rmod_pipeline.audio import gain_to_db, peak
from rmod_pipeline.codec import Codec, Tokens
from rmod_pipeline.codec.spectral_distance import WINDOWS
from rmod_pipeline.codec.window import Mono, fit_window
from rmod_pipeline.dose.generation import Generated, Try, generate
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import DoseError, UsageError
from rmod_pipeline.extraction.extractor import Extractor
from rmod_pipeline.extraction.onsets import DetectedOnsets, TimePosition, detect_onsets, hits_in, hits_of, pick_windows
from rmod_pipeline.extraction.polish import Polished, polish
from rmod_pipeline.extraction.ranking import score_candidates
from rmod_pipeline.extraction.results import Candidate, Extracted, Extraction, ExtractionConfig, Window
from rmod_pipeline.extraction.song import Song, SongPart, mono_blocks, read_parts, song_of_array

SHORTEST_SECONDS = 0.25
"""Of a song: in less there is no telling a drum from a click."""
SILENT_DB = -80.0
"""Peak, relative to full scale, below which a song, or a window that was told, counts as silent."""

LISTENING, READING, EXTRACTING = "listening", "reading", "extracting"

OnStep = Callable[[str, float, float], None]
"""What is being done, how much of it is done, how much there is: seconds of the song twice, then candidates."""

Windows = Mapping[str, Sequence[Window]]
"""By instrument."""


def extract(
    audio: NDArray[Any],
    sample_rate: int,
    extractors: Sequence[Extractor],
    codec: Codec,
    asked: ExtractionConfig | None = None,
    *,
    on_step: OnStep | None = None,
) -> Extraction:
    """Take one-shots out of audio, floats [samples] or [channels, samples] at any rate.

    The same bytes for the same audio, models, codec and ``asked``. Raises DoseError for silence and for less than
    ``SHORTEST_SECONDS``, UsageError for an option that does not fit the audio.
    """
    return extract_song(song_of_array(audio, sample_rate), extractors, codec, asked, on_step=on_step)


def extract_song(
    song: Song,
    extractors: Sequence[Extractor],
    codec: Codec,
    asked: ExtractionConfig | None = None,
    *,
    on_step: OnStep | None = None,
) -> Extraction:
    """Take one-shots out of a song of any length, as ``extract`` does; raises also what reading its file raises."""
    how, told = asked or ExtractionConfig(), on_step or _untold
    heard = _listened(song, codec.identity.sample_rate, told)
    windows = _windows(song, heard, extractors, codec, how, on_step=told)
    total = sum(len(windows[each.instrument]) for each in extractors) * (1 + how.tries)
    step = _Step(told, total)
    return Extraction(
        about=song.about,
        seconds=heard.seconds,
        asked=how,
        codec=codec.identity,
        instruments=tuple(_extracted(each, windows[each.instrument], codec, how, step) for each in extractors),
        notes=tuple(_notes(heard, windows, extractors, codec, how)),
    )


def _listened(song: Song, sample_rate: int, on_step: OnStep) -> DetectedOnsets:
    """Listen to the whole song. Raises DoseError if there is nothing to be heard."""
    told = _told(song, LISTENING, song.seconds, on_step)
    heard = detect_onsets(mono_blocks(told, sample_rate), sample_rate)
    if heard.seconds < SHORTEST_SECONDS:
        found = f"{heard.seconds:.2f} s, too short to hear a drum in"
        raise DoseError(song.about, found, f"give {SHORTEST_SECONDS:g} s at least; 4 s or more are best")
    if gain_to_db(heard.peak) < SILENT_DB:
        averaged = f" once its {song.channels} channels are averaged" if song.channels > 1 else ""
        found = f"silent: nothing is louder than {SILENT_DB:g} dB of full scale{averaged}"
        raise DoseError(song.about, found, "give a song that can be heard")
    return heard


def _told(song: Song, what: str, seconds: float, on_step: OnStep) -> Song:
    """Return the song, which says how much of so many seconds was read."""

    def blocks() -> Iterator[NDArray[np.float32]]:
        frames = 0
        for block in song.blocks():
            frames += len(block)
            on_step(what, min(frames / song.sample_rate, seconds), seconds)
            yield block

    return replace(song, blocks=blocks)


def _windows(
    song: Song,
    heard: DetectedOnsets,
    extractors: Sequence[Extractor],
    codec: Codec,
    asked: ExtractionConfig,
    *,
    on_step: OnStep,
) -> dict[str, tuple[Window, ...]]:
    """Choose the windows for each instrument, and read them."""
    rate = codec.identity.sample_rate
    chosen = {each.instrument: _chosen(each, heard, codec, asked) for each in extractors}
    parts = [wanted.part for several in chosen.values() for wanted in several]
    end = min(max(part.start + part.samples for part in parts) / rate, heard.seconds)
    audio = read_parts(_told(song, READING, end, on_step), rate, parts)
    for part, sound in audio.items():
        if asked.at and gain_to_db(peak(sound)) < SILENT_DB:
            found = f"silence: nothing is louder than {SILENT_DB:g} dB of full scale there"
            raise UsageError(f"--at {part.start / rate:g}", found, "give a place where the drum is heard")
    return {
        instrument: tuple(wanted.window(audio[wanted.part]) for wanted in several)
        for instrument, several in chosen.items()
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class _Wanted:
    """A window that is yet to be read."""

    place: TimePosition
    hits: tuple[float, ...]
    part: SongPart

    def window(self, audio: Mono) -> Window:
        return Window(seconds=self.place.seconds, clarity_db=self.place.clarity_db, hits=self.hits, audio=audio)


def _chosen(extractor: Extractor, heard: DetectedOnsets, codec: Codec, asked: ExtractionConfig) -> list[_Wanted]:
    hits = hits_of(extractor.instrument, heard)
    samples, rate = _samples(extractor, codec), codec.identity.sample_rate
    places = _told_places(heard, samples / rate, asked) or pick_windows(hits, heard, samples / rate, asked.windows)
    return [
        _Wanted(
            place=place,
            hits=hits_in(hits, place.seconds, samples / rate),
            part=SongPart(start=round(place.seconds * rate), samples=samples),
        )
        for place in places
    ]


def _told_places(heard: DetectedOnsets, window_seconds: float, asked: ExtractionConfig) -> list[TimePosition]:
    """Return the places that were told, moved forward where the song would end before the window does."""
    for second in asked.at:
        if second >= heard.seconds:
            found = f"beyond the end: the song has {heard.seconds:.2f} s"
            raise UsageError(f"--at {second:g}", found, "give seconds from the song's beginning")
    last = max(heard.seconds - window_seconds, 0.0)
    return [
        TimePosition(seconds=second, clarity_db=None) for second in dict.fromkeys(min(each, last) for each in asked.at)
    ]


def _samples(extractor: Extractor, codec: Codec) -> int:
    """Return how much a model listens to: 345 frames are 4 s."""
    return extractor.model.size.condition_frames * codec.identity.hop


def _notes(
    heard: DetectedOnsets, windows: Windows, extractors: Sequence[Extractor], codec: Codec, asked: ExtractionConfig
) -> Iterator[str]:
    longest = max(_samples(each, codec) for each in extractors) / codec.identity.sample_rate
    if heard.seconds < longest:
        yield f"The song has {heard.seconds:.2f} s; silence was added, because the model listens to {longest:.2f} s."
    for instrument, several in windows.items():
        if not asked.at and not any(window.clarity_db for window in several):
            yield f"No clear {instrument} was heard; the loudest places were taken instead."
    endless = [each.instrument for each in extractors if not each.knows_the_end]
    if endless:
        yield (
            f"What follows the end of a sound means nothing ({', '.join(endless)}): the model was trained with tail: "
            "masked, which leaves the end out. Cut it by ear, or train with tail: learned."
        )


def _extracted(
    extractor: Extractor, windows: Sequence[Window], codec: Codec, asked: ExtractionConfig, step: _Step
) -> Extracted:
    mixtures = codec.encode(np.stack([window.audio for window in windows]))
    tries, rate = tries_of(asked), codec.identity.sample_rate
    candidates: list[Candidate] = []
    for at, numbers in _batches(len(windows), len(tries), asked.batch):
        made = _generated(extractor, mixtures[at.start : at.stop], [tries[each] for each in numbers], asked.batch)
        for window, codes, surenesses in zip(at, made.codes.cpu(), made.log_probability.tolist(), strict=True):
            sounds = [
                polish(each, rate, trim=asked.trim, normalize=asked.normalize) for each in codec.decode(codes.numpy())
            ]
            candidates += [
                _candidate(tries[number], code, sound, window=window, number=number, log_probability=sureness)
                for number, sureness, code, sound in zip(numbers, surenesses, codes.numpy(), sounds, strict=True)
            ]
        step.made(len(at) * len(numbers))
    return Extracted(
        instrument=extractor.instrument,
        windows=tuple(windows),
        candidates=tuple(ranked(candidates, extractor.instrument, windows, rate)),
        checkpoint=extractor.source,
    )


def ranked(
    candidates: Sequence[Candidate], instrument: str, windows: Sequence[Window], sample_rate: int
) -> list[Candidate]:
    """Return the candidates for one instrument, the best first: what they agree on, and silent ones last.

    ``consensus`` says how. Of fewer than three none is nearer to the others, and the surest is taken.
    """
    heard = [each for each in candidates if not each.silent]
    if len(heard) > 2:
        # Shorter than the largest of the spectra's windows none may be.
        longest = max([WINDOWS[0], *(each.audio.size for each in heard)])
        sounds = torch.from_numpy(np.stack([fit_window(each.audio, longest, 1).audio for each in heard]))
        music = torch.from_numpy(np.stack([window.audio for window in windows]))
        judged = score_candidates(instrument, sounds, music, [each.window for each in heard], sample_rate)
        misfits = [None] * len(heard) if judged.misfit is None else judged.misfit.tolist()
        heard = [
            replace(each, apart=far, misfit_db=misfit)
            for each, far, misfit in zip(heard, judged.apart.tolist(), misfits, strict=True)
        ]
    return sorted([*heard, *(each for each in candidates if each.silent)], key=_rank)


def _candidate(
    how: Try, codes: NDArray[Any], polished: Polished, *, window: int, number: int, log_probability: float
) -> Candidate:
    return Candidate(
        window=window,
        number=number,
        seed=how.seed,
        temperature=how.temperature,
        top_p=how.top_p,
        log_probability=log_probability,
        silent=polished.silent,
        gain_db=polished.gain_db,
        codes=codes.astype(np.uint16),
        audio=polished.audio,
    )


def _rank(candidate: Candidate) -> tuple[Any, ...]:
    """Return what candidates are sorted by: a silent one is sure of little but silence, and comes last."""
    return (candidate.silent, candidate.apart or 0.0, -candidate.log_probability, candidate.window, candidate.number)


def tries_of(asked: ExtractionConfig) -> list[Try]:
    """Return the tries on each window: the greedy one, and those sampled, each with a seed of its own."""
    draw = Draw.of("extract", asked.seed)
    seeds = [draw.at(number).below(2**31) for number in range(1, asked.tries + 1)]
    return [Try(), *(Try(seed=seed, temperature=asked.temperature, top_p=asked.top_p) for seed in seeds)]


def _batches(windows: int, tries: int, batch: int) -> Iterator[tuple[range, range]]:
    """Yield which windows and which tries to generate at once: ``batch`` candidates at most."""
    many = min(tries, batch)
    step = batch // many
    for window in range(0, windows, step):
        for first in range(0, tries, many):
            yield range(windows)[window : window + step], range(tries)[first : first + many]


def _generated(extractor: Extractor, mixtures: Tokens, tries: Sequence[Try], batch: int) -> Generated:
    device = next(extractor.model.parameters()).device
    given = torch.from_numpy(mixtures.astype(np.int64)).to(device)
    which = None if extractor.place is None else torch.full((len(given),), extractor.place, device=device)
    try:
        return generate(extractor.model, given, extractor.frames, tries, instruments=which)
    except torch.OutOfMemoryError as error:
        found = f"out of memory with a batch of {batch}"
        raise DoseError(device, found, "give a smaller --batch, or --device cpu") from error


class _Step:
    """Counts candidates."""

    def __init__(self, on_step: OnStep, total: int) -> None:
        self._on_step, self._total, self._done = on_step, total, 0

    def made(self, count: int) -> None:
        self._done += count
        self._on_step(EXTRACTING, self._done, self._total)


def _untold(_what: str, _done: float, _total: float) -> None:
    pass
