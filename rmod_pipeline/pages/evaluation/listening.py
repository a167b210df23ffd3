"""Choose the answers that the pages play, the best, median and worst of each system, and make their players."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import from_pcm, to_pcm
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.evaluation.chunk import EXPLAINED, SetWork
from rmod_pipeline.evaluation.figures.results import DISTANCE, Cell, EvaluationResults
from rmod_pipeline.evaluation.recipe import ALL_KINDS, TRUTH
from rmod_pipeline.evaluation.sets.pairs import split_into_chunks
from rmod_pipeline.evaluation.store import chunk_path, read_rows
from rmod_pipeline.pages.preview.formatting import format_kind
from rmod_pipeline.pages.preview.players import PlayerGroup, make_player_group
from rmod_pipeline.pages.preview.sounds import FLAC, PageSound, PageSoundGroup, encode_compressed

WITHOUT_RANK = ("silence",)
"""Systems whose answers are not worth hearing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlayedPair:
    """A pair of the page: its mixture, the truth, and the answers for which it was chosen."""

    key: str
    kind: str
    kit: str
    reasons: tuple[str, ...]
    groups: tuple[PlayerGroup, ...]


def rank_answers(cell: Cell, listen: int) -> Iterator[tuple[str, str]]:
    """Yield the keys of the best, median and worst answers of a cell, ``listen`` of each, and what each is."""
    metric = DISTANCE if DISTANCE in cell.values else EXPLAINED
    if not cell.keys or metric not in cell.values:
        return
    sign = 1 if metric == DISTANCE else -1
    order = np.argsort(sign * cell.values[metric], kind="stable")
    middle = max((len(order) - listen) // 2, 0)
    places = (("best", order[:listen]), ("median", order[middle : middle + listen]), ("worst", order[::-1][:listen]))
    seen: set[int] = set()
    for word, chosen in places:
        for place in (int(each) for each in chosen if int(each) not in seen):
            seen.add(place)
            yield cell.keys[place], f"{word}: {cell.values[metric][place]:.3f}"


def list_played_pairs(results: EvaluationResults, work: SetWork) -> list[PlayedPair]:
    """Return the pairs to listen to for one set, those of one kind together, each with all answers chosen there."""
    name, listen = work.test_set.choice.name, results.recipe.listen
    pairs = []
    for kind in results.recipe.kinds:
        chosen: dict[str, dict[str, str]] = {}
        for cell in results.cells:
            # Answers to a song are ranked by what those for all kinds explain together.
            if cell.test_set == name and cell.kind in (kind, ALL_KINDS) and cell.system not in WITHOUT_RANK:
                for key, reason in rank_answers(cell, listen):
                    chosen.setdefault(key, {})[cell.system] = reason
        pairs += [_make_pair(work, kind, key, reasons) for key, reasons in chosen.items()]
    return pairs


def read_answers(work: SetWork, key: str, kind: str, systems: Sequence[str]) -> Mapping[str, bytes]:
    """Return the stored answers of systems to one mixture as FLAC, by system."""
    chunks = split_into_chunks(work.test_set.keys)
    number = next(number for number, keys in enumerate(chunks) if key in keys)
    answers = {}
    for system in systems:
        path = chunk_path(work.out, work.test_set.choice.name, system, number)
        for row in read_rows(path, ["kind", "key", "flac"]):
            if (row["kind"], row["key"]) == (kind, key) and row["flac"] is not None:
                answers[system] = row["flac"]
    return answers


def make_mixture_sound(audio: Mono, sample_rate: int) -> PageSound:
    """Return a mixture [samples] for a page."""
    data, mime = encode_compressed(from_pcm(to_pcm(audio[None])), sample_rate)
    return PageSound(label="mixture", data=data, mime=mime)


def _make_pair(work: SetWork, kind: str, key: str, reasons: Mapping[str, str]) -> PlayedPair:
    item = work.test_set.read([key])[0]
    answers = read_answers(work, key, kind, [TRUTH, *reasons])
    sounds = [make_mixture_sound(item.mixture.audio, item.mixture.sample_rate)]
    if TRUTH in answers:
        sounds.append(PageSound(label="truth", data=answers[TRUTH], mime=FLAC, kind=kind))
    for system, reason in reasons.items():
        if system in answers:
            sounds.append(PageSound(label=system, data=answers[system], mime=FLAC, kind=kind, caption=reason))
    group = make_player_group(PageSoundGroup(title=format_kind(kind), sounds=tuple(sounds)), key)
    return PlayedPair(
        key=key,
        kind=kind,
        kit=item.kits.get(kind, ""),
        reasons=tuple(f"{system}, {reason}" for system, reason in reasons.items()),
        groups=(group,),
    )
