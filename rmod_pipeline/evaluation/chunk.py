"""Answer and measure one chunk of a test set with every system: the unit of work of an evaluation.

Answers are cut or padded to the window of their kind, and scaled down if they exceed full scale. They are rounded to 16
bits, as a WAV file holds them. So what is measured is what the page plays and what a resumed evaluation reads.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rmod_pipeline.audio import from_pcm, peak, to_pcm
from rmod_pipeline.codec.torch_support import use_threads
from rmod_pipeline.codec.window import Mono, fit_window
from rmod_pipeline.ear.model import describe_levels
from rmod_pipeline.evaluation.embeddings import Embedding, open_embedding
from rmod_pipeline.evaluation.metrics import METRICS, SoundAnalysis, analyse_sounds, compare_analyses
from rmod_pipeline.evaluation.recipe import ALL_KINDS, TRUTH, EmbeddingChoice, EvaluationRecipe
from rmod_pipeline.evaluation.sets.pairs import EvaluationItem, EvaluationSet
from rmod_pipeline.evaluation.song_fit import explain_song
from rmod_pipeline.evaluation.store import ChunkOrigin, chunk_path, read_origin, read_rows, write_chunk
from rmod_pipeline.evaluation.systems.base import RememberedSystem
from rmod_pipeline.evaluation.systems.open import open_systems
from rmod_pipeline.evaluation.systems.training_sounds import window_samples
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.read import resample
from rmod_pipeline.shards.members import decode_audio, encode_audio

ANSWERED = "answered"
NO_ANSWER = "no answer"
LEVELS, EMBEDDING = "levels", "embedding "
EXPLAINED, SHUFFLED = "explained", "shuffled"
"""The share of a song's drums that answers explain, and what they explain with their kinds exchanged."""
DESCRIPTION_FRAMES = 24
"""Frames of log-mel levels in which answers are compared with known sounds: 0.28 s."""
START_DB = -40.0
"""An answer starts at its first sample above this level, relative to its peak. Its levels begin there."""


@dataclass(frozen=True, slots=True)
class SetWork:
    """What a process needs to work on a set. Two with one ``digest`` are equal."""

    digest: str
    recipe: EvaluationRecipe = field(compare=False)
    test_set: EvaluationSet = field(compare=False)
    origins: Mapping[str, ChunkOrigin] = field(compare=False)
    """By system, and for the truth: what decides the content of its files."""
    out: Path = field(compare=False)
    device: str = field(compare=False)


@dataclass(frozen=True, slots=True)
class OpenedSet:
    """A set with its systems, and what measures their answers."""

    systems: Mapping[str, RememberedSystem]
    embeddings: Mapping[str, Embedding]
    mel: LogMel


_LATEST: dict[str, OpenedSet] = {}
"""The set that this process opened last, by the digest of its work. One, because models are large."""


def keep_opened(work: SetWork, opened: OpenedSet) -> None:
    """Remember what was opened for a set, so that this process does not open it again."""
    forget_opened()
    _LATEST[work.digest] = opened


def forget_opened() -> None:
    """Free the memory of what was opened: workers open their own."""
    _LATEST.clear()


def _recall_opened(work: SetWork) -> OpenedSet:
    """Return what was opened for a set, or open it: in a worker, and for all sets but the last one."""
    if work.digest not in _LATEST:
        systems = open_systems(work.recipe, work.test_set, work.device)
        keep_opened(work, OpenedSet(systems, open_embeddings(work.recipe.embeddings), LogMel()))
    return _LATEST[work.digest]


def open_embeddings(choices: Sequence[EmbeddingChoice]) -> dict[str, Embedding]:
    """Open embeddings by name. Raises the errors of their weights."""
    opened = [open_embedding(each.name, None if each.weights is None else Path(each.weights)) for each in choices]
    return {embedding.name: embedding for embedding in opened}


def work_on_chunk(work: SetWork, number: int, keys: Sequence[str]) -> int:
    """Answer and measure what is not there yet, and write it. Return the number of mixtures."""
    paths = {name: chunk_path(work.out, work.test_set.choice.name, name, number) for name in work.origins}
    wanted = [name for name, path in paths.items() if read_origin(path) != work.origins[name]]
    if wanted:
        use_threads(1)
        opened = _recall_opened(work)
        items = work.test_set.read(keys)
        stored = {name: _read_stored(paths[name], work.origins[name]) for name in wanted}
        rows: dict[str, list[dict[str, Any]]] = {name: [] for name in wanted}
        answers: dict[str, dict[str, list[Answer]]] = {name: {} for name in wanted}
        for kind in work.recipe.kinds:
            truths = _analyse_truths(items, kind)
            for name in wanted:
                known = stored[name]
                recalled = None if known is None else _recall(known, kind, keys)
                answers[name][kind] = _answer(opened, name, items, kind, recalled)
                rows[name] += measure_answers(opened, items, kind, answers[name][kind], truths, describes=name == TRUTH)
        for name in wanted:
            rows[name] += explain_mixtures(items, answers[name])
            write_chunk(paths[name], rows[name], work.origins[name])
    return len(keys)


@dataclass(frozen=True, slots=True)
class Answer:
    """What a system answered: 16-bit samples, or why there are none."""

    status: str
    flac: bytes | None = None
    audio: Mono | None = None
    """[samples] in the window of its kind."""

    @classmethod
    def of(cls, sound: Mono | None, kind: str, sample_rate: int) -> Answer:
        """Finish the sound that a system returned."""
        if sound is None:
            return cls(NO_ANSWER)
        if not np.isfinite(sound).all():
            return cls("not finite")
        pcm = finish_sound(sound, kind, sample_rate)
        return cls(ANSWERED, encode_audio(pcm, sample_rate, "flac"), from_pcm(pcm)[0])


def finish_sound(sound: Mono, kind: str, sample_rate: int) -> NDArray[np.int16]:
    """Return a sound [samples] in the window of its kind, at full scale at most, as 16-bit samples [1, window]."""
    loudest = peak(sound[None]) if sound.size else 0.0
    fitted = fit_window(sound / np.float32(max(loudest, 1.0)), window_samples(kind, sample_rate), 1).audio
    return to_pcm(fitted[None])


def _analyse_truths(items: Sequence[EvaluationItem], kind: str) -> list[SoundAnalysis | None]:
    """Analyse the true one-shots once for all systems."""
    analyses: list[SoundAnalysis | None] = []
    for item in items:
        truth, rate = item.truths.get(kind), item.mixture.sample_rate
        if truth is None or not np.isfinite(truth).all():
            analyses.append(None)
        else:
            sound = from_pcm(finish_sound(truth, kind, rate))
            analyses.append(analyse_sounds(torch.from_numpy(sound), rate))
    return analyses


def _read_stored(path: Path, origin: ChunkOrigin) -> list[dict[str, Any]] | None:
    """Return the rows of an earlier evaluation that measured something else; None if its answers were others."""
    known = read_origin(path)
    if known is None or known.answers != origin.answers:
        return None
    return read_rows(path, ["kind", "key", "status", "flac"])


def _recall(stored: Sequence[Mapping[str, Any]], kind: str, keys: Sequence[str]) -> list[Answer]:
    """Return the stored answers for one kind."""
    rows = {row["key"]: row for row in stored if row["kind"] == kind}
    return [_recall_answer(rows[key]) if key in rows else Answer(NO_ANSWER) for key in keys]


def _recall_answer(row: Mapping[str, Any]) -> Answer:
    if row["flac"] is None:
        return Answer(row["status"])
    return Answer(row["status"], row["flac"], from_pcm(decode_audio(row["flac"], row["key"])[0])[0])


def _answer(
    opened: OpenedSet, name: str, items: Sequence[EvaluationItem], kind: str, recalled: list[Answer] | None
) -> list[Answer]:
    """Return the answers of a system to mixtures, those of an earlier evaluation if there are any."""
    if recalled is not None:
        return recalled
    if name == TRUTH:
        sounds, failures = [item.truths.get(kind) for item in items], dict[str, str]()
    else:
        system = opened.systems[name]
        sounds, failures = system.extract_all([item.mixture for item in items], kind), system.failures
    return [
        Answer(failures[item.mixture.key])
        if item.mixture.key in failures
        else Answer.of(sound, kind, item.mixture.sample_rate)
        for sound, item in zip(sounds, items, strict=True)
    ]


def measure_answers(
    opened: OpenedSet,
    items: Sequence[EvaluationItem],
    kind: str,
    answers: Sequence[Answer],
    truths: Sequence[SoundAnalysis | None],
    *,
    describes: bool,
) -> Iterator[dict[str, Any]]:
    """Yield a row per mixture that has a true one-shot of this kind, or of which nobody knows whether it has.

    describes: whether to add what is known of the mixture.
    """
    places = [place for place, item in enumerate(items) if kind in item.truths or not item.truths]
    sounding = [place for place in places if answers[place].audio is not None]
    rate = items[0].mixture.sample_rate
    measured: list[dict[str, Any]] = [{} for _ in sounding]
    if sounding:
        estimates = np.stack([answer.audio for answer in (answers[place] for place in sounding)])  # type: ignore[misc]
        for values in (
            {LEVELS: describe_sounds(opened.mel, estimates, rate)},
            {f"{EMBEDDING}{name}": each.embed(estimates, rate) for name, each in opened.embeddings.items()},
            _measure(estimates, [truths[place] for place in sounding], rate),
        ):
            for name, column in values.items():
                for row, value in zip(measured, column, strict=True):
                    row[name] = value.tolist()
    values_of = dict(zip(sounding, measured, strict=True))
    for place in places:
        item, answer = items[place], answers[place]
        row = {"kind": kind, "key": item.mixture.key, "status": answer.status, "flac": answer.flac}
        row["sha256"] = None if answer.flac is None else hashlib.sha256(answer.flac).hexdigest()
        yield {**row, **(_describe_item(item, kind) if describes else {}), **values_of.get(place, {})}


def _measure(
    estimates: NDArray[np.float32], truths: Sequence[SoundAnalysis | None], rate: int
) -> dict[str, NDArray[Any]]:
    """Return the metrics of answers [n, samples] by name, each [n]; none where the truths are not known."""
    known = [truth for truth in truths if truth is not None]
    if len(known) < len(truths) or not known:
        return {}
    pairs = zip(torch.from_numpy(estimates).split(1), known, strict=True)
    measured = [compare_analyses(analyse_sounds(estimate, rate), truth) for estimate, truth in pairs]
    return {name: np.array([float(row[name]) for row in measured]) for name in METRICS}


def explain_mixtures(
    items: Sequence[EvaluationItem], answers: Mapping[str, Sequence[Answer]]
) -> Iterator[dict[str, Any]]:
    """Yield a row per mixture without truth: how much of its drums the answers for all kinds explain together."""
    for place, item in enumerate(items):
        if item.truths or not item.mixture.onsets:
            continue
        given = {kind: several[place].audio for kind, several in answers.items()}
        # Hits of a drum without an answer count too: silence explains nothing of them.
        silence = np.zeros(1, np.float32)
        one_shots = {kind: silence if audio is None else audio for kind, audio in given.items()}
        status = ANSWERED if any(audio is not None for audio in given.values()) else NO_ANSWER
        row = {"kind": ALL_KINDS, "key": item.mixture.key, "status": status, "flac": None, "sha256": None}
        if status == NO_ANSWER:
            yield row
            continue
        fit = explain_song(item.mixture.audio, item.mixture.sample_rate, one_shots, item.mixture.onsets)
        shares = {f"{EXPLAINED} {kind}": share for kind, share in fit.by_kind.items()}
        yield {**row, EXPLAINED: fit.explained, f"{EXPLAINED} {SHUFFLED}": fit.shuffled, **shares}


def _describe_item(item: EvaluationItem, kind: str) -> dict[str, Any]:
    return {
        "kit": item.kits.get(kind, ""),
        "hits": item.hits.get(kind),
        "audible_db": item.audible_db.get(kind),
        "instruments": item.instruments,
    }


def describe_sounds(mel: LogMel, sounds: NDArray[np.float32], sample_rate: int) -> NDArray[np.float16]:
    """Return the log-mel levels of sounds [n, samples] from where each starts, at full scale: [n, bands * frames]."""
    at_rate = resample(sounds, sample_rate, mel.sample_rate)
    started = [start_sound(sound, (DESCRIPTION_FRAMES + 1) * mel.hop) for sound in at_rate]
    levels = torch.from_numpy(np.stack([mel.compute(sound) for sound in started]))
    described = describe_levels(levels, DESCRIPTION_FRAMES)
    flat: NDArray[np.float16] = described.flatten(1).numpy().astype(np.float16)
    return flat


def start_sound(sound: Mono, samples: int) -> Mono:
    """Return a sound from its start, at full scale, cut or padded to a length. Silence stays silence."""
    loudest = peak(sound[None])
    if loudest == 0:
        return np.zeros(samples, np.float32)
    start = int(np.argmax(np.abs(sound) >= loudest * 10 ** (START_DB / 20)))
    return fit_window(sound[start:] / np.float32(loudest), samples, 1).audio
