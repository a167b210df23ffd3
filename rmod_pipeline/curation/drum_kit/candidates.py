"""Find the sounds of a file that may become pads: its parts, from onset to onset, each rated for every pad.

Memory depends neither on the length of a file nor on the number of files: of each file, and of all files together, only
the best places per pad are kept, without their sound.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import nsmallest
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import gain_to_db
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.drum_kit.listen import Listen, rate_pad
from rmod_pipeline.curation.drum_kit.measure import AUDIBLE_DB, RATE, audible_samples
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import PadCandidate, SoundPlace
from rmod_pipeline.curation.harvest.cut import plan_cuts
from rmod_pipeline.curation.harvest.isolation import FULL_DB, measure_isolation
from rmod_pipeline.curation.harvest.onsets import merge_near, pick_onsets, refine_onsets
from rmod_pipeline.curation.harvest.results import Cut, SongLevels, SongSurvey
from rmod_pipeline.curation.harvest.song import measure_levels, mix_to_one, read_ranges, survey_song
from rmod_pipeline.errors import RmodError
from rmod_pipeline.extraction.listening.song import Song, song_from_file
from rmod_pipeline.library.read import resample
from rmod_pipeline.library.scanning.scan import MIN_SECONDS, SILENT_DBFS
from rmod_pipeline.render.tracks import fade_out
from rmod_pipeline.storage.publish import file_digest

LONGEST_SECONDS = 3.0
"""A place is no longer than this."""
SHORTEST_SECONDS = 0.02
"""A place of which less can be heard is no drum."""
MOST_ONSETS = 300
"""Of a file with more onsets, the clearest are looked at."""
LEAST_CLARITY_DB = 6.0
"""A sound begins where the attack is this much louder than what sounds before it."""
BEST_OF_FILE = 24
"""Places that are kept per pad and file."""

_LEAST_PEAK_DB = -54.0
"""A quieter place, relative to full scale, is noise by the time it is as loud as a drum."""
_LONG_VIEW, _SHORT_VIEW = round(1.5 * RATE), round(0.25 * RATE)
_FADE = round(0.01 * RATE)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileCandidates:
    """What one file has to offer."""

    source: str
    """POSIX path relative to the folder of sounds."""
    sha256: str = ""
    candidates: tuple[PadCandidate, ...] = ()
    """The best places of each pad, in the order of time."""
    sounds: int = 0
    """Number of places that were rated."""
    reason: str = ""
    """Why the file has none; empty if it has some."""


class CandidatePool:
    """The best places of each pad over all files, whatever the order in which the files come."""

    def __init__(self, most: int, most_per_file: int) -> None:
        """Keep ``most`` places per pad.

        No more than ``most_per_file`` are of one file or its copies, unless the other files have too few.
        """
        self._most, self._most_per_file = most, most_per_file
        self._spread: dict[str, list[PadCandidate]] = {name: [] for name in PADS}
        self._any: dict[str, list[PadCandidate]] = {name: [] for name in PADS}

    def add(self, candidates: Sequence[PadCandidate]) -> None:
        """Add the places of a file."""
        for pad in PADS:
            few = _best(candidates, pad, self._most_per_file)
            self._spread[pad] = _best(_merge(self._spread[pad], few), pad, self._most)
            self._any[pad] = _best(_merge(self._any[pad], candidates), pad, self._most)

    def best_of(self, pad: str) -> tuple[PadCandidate, ...]:
        """Return the best places of a pad, the best first."""
        spread = self._spread[pad]
        taken = {each.place.order for each in spread}
        others = [each for each in self._any[pad] if each.place.order not in taken]
        return tuple(_best([*spread, *others[: self._most - len(spread)]], pad, self._most))


def _merge(kept: Sequence[PadCandidate], added: Sequence[PadCandidate]) -> list[PadCandidate]:
    """Return all candidates. Copies of a file are one place, known by the first path."""
    merged: dict[tuple[str, int], PadCandidate] = {}
    for candidate in sorted((*kept, *added), key=lambda each: (*each.place.order, each.place.source)):
        merged.setdefault(candidate.place.order, candidate)
    return list(merged.values())


def analyse_sound_file(path: Path, source: str, listen: Listen) -> FileCandidates:
    """Return the places of a file that may become pads, or why there is none. Raises no error that a file can cause."""
    try:
        song = song_from_file(path)  # first, because it refuses what is no regular file
        digest = file_digest(path)
        survey = survey_song(song)
        reason = _find_silence(song, survey)
        if reason:
            return FileCandidates(source=source, sha256=digest, reason=reason)
        candidates = list(_rate_places(source, digest, song, survey, listen))
    except RmodError as error:
        return FileCandidates(source=source, reason=error.found)
    except OSError as error:
        return FileCandidates(source=source, reason=f"cannot be read: {error.strerror or error}")
    except MemoryError:
        return FileCandidates(source=source, reason="not enough memory to decode it")
    if not candidates:
        return FileCandidates(source=source, sha256=digest, reason="no sound begins in it that is long and loud enough")
    best = {each.place.start: each for pad in PADS for each in _best(candidates, pad, BEST_OF_FILE)}
    return FileCandidates(
        source=source, sha256=digest, candidates=tuple(best[start] for start in sorted(best)), sounds=len(candidates)
    )


def find_cuts(song: Song, survey: SongSurvey, levels: SongLevels) -> list[tuple[Cut, float]]:
    """Return the parts of a file by time, each with its clarity in dB: those of the clearest ``MOST_ONSETS`` onsets.

    A part goes on over onsets that are not clear. A file without a clear one has one part, from where it becomes loud.
    """
    frames = merge_near(refine_onsets(song, survey, pick_onsets(levels)), song.sample_rate)
    cuts, clarity = _plan_cuts(frames, survey, levels)
    is_clear = clarity >= LEAST_CLARITY_DB
    if not is_clear.any() and levels.wave.size:
        loud = np.flatnonzero(levels.wave > levels.wave.max() * 10 ** (AUDIBLE_DB / 10))
        frames, is_clear = loud[:1] * levels.hop, np.ones(1, np.bool_)
    cuts, clarity = _plan_cuts(frames[is_clear], survey, levels)
    clearest = np.sort(np.argsort(-clarity, kind="stable")[:MOST_ONSETS])
    return [(cuts[index], float(clarity[index])) for index in clearest]


def _plan_cuts(
    frames: NDArray[np.int64], survey: SongSurvey, levels: SongLevels
) -> tuple[list[Cut], NDArray[np.float64]]:
    cuts = plan_cuts(frames, levels, survey.frames, LONGEST_SECONDS)
    return cuts, np.array([measure_isolation(cut, levels).before * FULL_DB for cut in cuts])


def _find_silence(song: Song, survey: SongSurvey) -> str:
    """Return why a file has nothing to hear, with the limits of a scan; empty if it has."""
    if survey.frames < MIN_SECONDS * song.sample_rate:
        return f"too short: {survey.frames} frames, {1000 * survey.frames / song.sample_rate:.1f} ms"
    level = gain_to_db(survey.peak)
    return f"silent: peak {level:.1f} dBFS" if level < SILENT_DBFS else ""


def _rate_places(source: str, digest: str, song: Song, survey: SongSurvey, listen: Listen) -> Iterator[PadCandidate]:
    rate = song.sample_rate
    cuts = find_cuts(song, survey, measure_levels(song, survey))
    ranges = [(cut.attack, cut.stop) for cut, _ in cuts]
    for (cut, clarity), part in zip(cuts, read_ranges(song, survey, ranges), strict=True):
        sound = resample(mix_to_one(part)[None], rate, RATE)[0]
        if audible_samples(sound) < SHORTEST_SECONDS * RATE or _peak_db(sound) < _LEAST_PEAK_DB:
            continue
        place = SoundPlace(source=source, sha256=digest, sample_rate=rate, start=cut.attack, frames=part.shape[1])
        yield _rate_place(place, sound, clarity, listen)


def _rate_place(place: SoundPlace, sound: Mono, clarity_db: float, listen: Listen) -> PadCandidate:
    answers = listen(_make_views(sound))
    scores = {name: max(rate_pad(pad, answer, clarity_db).score for answer in answers) for name, pad in PADS.items()}
    return PadCandidate(place=place, scores=scores, clarity_db=clarity_db)


def _make_views(sound: Mono) -> list[Mono]:
    """Return the sound as a long and as a short drum would have it."""
    views = []
    for length in dict.fromkeys(min(length, sound.size) for length in (_LONG_VIEW, _SHORT_VIEW)):
        view = sound[None, :length].copy()
        fade_out(view, _FADE)
        views.append(view[0])
    return views


def _peak_db(sound: Mono) -> float:
    return gain_to_db(float(np.abs(sound).max(initial=0.0)))


def _best(candidates: Sequence[PadCandidate], pad: str, most: int) -> list[PadCandidate]:
    """Return the best candidates for a pad, the best first; places decide between equal scores."""
    return nsmallest(most, candidates, key=lambda each: (-each.scores[pad], each.place.order))
