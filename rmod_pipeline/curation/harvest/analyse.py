"""Analyse one song: survey, levels, onsets, cuts, isolation, and a description and a class of each isolated hit.

The song is read four times, block by block, because nothing that grows with its audio is kept.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from rmod_pipeline.audio import Audio, gain_to_db, peak
from rmod_pipeline.classification.results import Classification
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.harvest.annotations import KnownStrike, find_known_onsets
from rmod_pipeline.curation.harvest.cut import cut_sound, plan_cuts
from rmod_pipeline.curation.harvest.describing.describe import Description, describe_hit
from rmod_pipeline.curation.harvest.describing.strikes import (
    StrikesNet,
    alone_factor,
    describe_chance,
    open_strikes_net,
)
from rmod_pipeline.curation.harvest.isolation import measure_isolation
from rmod_pipeline.curation.harvest.onsets import merge_near, pick_onsets, refine_onsets
from rmod_pipeline.curation.harvest.results import (
    UNKNOWN,
    Cut,
    DrumOnset,
    HarvestConfig,
    HarvestedHit,
    Isolation,
    SongAnalysis,
    SongLevels,
    SongSurvey,
)
from rmod_pipeline.curation.harvest.song import measure_levels, mix_to_one, read_ranges, survey_song
from rmod_pipeline.extraction.listening.song import Song
from rmod_pipeline.library.hits import count_hits
from rmod_pipeline.library.scanning.scan import SILENT_DBFS

SHORTEST_SECONDS = 0.02
"""A song that is shorter has no hit."""

Classify = Callable[[Sequence[Mono]], list[Classification]]
"""Classifies mono sounds [samples] at 44,100 Hz."""


def analyse_song(
    song: Song,
    config: HarvestConfig,
    classify: Classify | None = None,
    strikes: Sequence[KnownStrike] | None = None,
) -> SongAnalysis:
    """Return the isolated hits of a song, and why there are none if there are none.

    classify: tells the class of a hit; None leaves it unknown. strikes: the known onsets; None has them detected.
    Raises AssetError for a file that cannot be decoded to its end.
    """
    survey = survey_song(song)
    analysis = SongAnalysis(sample_rate=song.sample_rate, survey=survey, onsets=0, hits=())
    finding = _find_silence(survey, song.sample_rate)
    if finding:
        return replace(analysis, finding=finding)
    levels = measure_levels(song, survey)
    onsets = _find_onsets(song, survey, levels, strikes)
    if not onsets:
        return replace(analysis, finding="no onset was found" if strikes is None else "no known onset lies in it")
    candidates = _find_isolated(onsets, levels, survey, config)
    hearing = _Hearing(classify, open_strikes_net(), song.sample_rate)
    parts = read_ranges(song, survey, [(cut.start, cut.stop) for _, cut, _ in candidates])
    described = [
        hearing.describe(part, onset, cut, isolation)
        for part, (onset, cut, isolation) in zip(parts, candidates, strict=True)
    ]
    hits = tuple(hit for hit in described if hit.isolation.value >= config.described_from)
    finding = "" if hits else f"none of {len(onsets)} hits is alone: others sound before, after or with them"
    return replace(analysis, onsets=len(onsets), hits=hits, finding=finding)


def _find_silence(survey: SongSurvey, sample_rate: int) -> str:
    """Return why a song cannot have a hit; empty if it can."""
    if survey.frames < SHORTEST_SECONDS * sample_rate:
        return f"too short: {survey.frames} frames, {1000 * survey.frames / sample_rate:.1f} ms"
    level = gain_to_db(survey.peak)
    return f"silent: its peak is {level:.1f} dBFS in mono" if level < SILENT_DBFS else ""


def _find_onsets(
    song: Song, survey: SongSurvey, levels: SongLevels, strikes: Sequence[KnownStrike] | None
) -> list[DrumOnset]:
    if strikes is not None:
        return find_known_onsets(song, survey, strikes)
    frames = merge_near(refine_onsets(song, survey, pick_onsets(levels)), song.sample_rate)
    return [DrumOnset(frame=int(frame)) for frame in frames]


def _find_isolated(
    onsets: Sequence[DrumOnset], levels: SongLevels, survey: SongSurvey, config: HarvestConfig
) -> list[tuple[DrumOnset, Cut, Isolation]]:
    """Return the onsets that are isolated enough in time, with their cuts."""
    cuts = plan_cuts([onset.frame for onset in onsets], levels, survey.frames, config.max_seconds)
    measured = [(onset, cut, measure_isolation(cut, levels)) for onset, cut in zip(onsets, cuts, strict=True)]
    return [each for each in measured if each[2].value >= config.described_from]


class _Hearing:
    """Describe and classify the hits of a song."""

    def __init__(self, classify: Classify | None, network: StrikesNet, sample_rate: int) -> None:
        self._classify, self._network, self._sample_rate = classify, network, sample_rate

    def describe(self, part: Audio, onset: DrumOnset, cut: Cut, isolation: Isolation) -> HarvestedHit:
        """Return the hit in a part of the song [channels, samples]."""
        sound = cut_sound(part, cut)
        description = describe_hit(mix_to_one(sound), self._sample_rate, cut.attack - cut.start)
        alone = self._measure_alone(onset, sound, description)
        hit = HarvestedHit(
            cut=cut,
            isolation=replace(isolation, alone=round(alone, 4)),
            peak=float(np.float32(peak(sound))),
            description=description,
        )
        if onset.kind:
            return replace(hit, kind=onset.kind, subkind=onset.subkind, confidence=1.0)
        return self._classify_hit(hit, sound) if alone > 0 else hit

    def _measure_alone(self, onset: DrumOnset, sound: Audio, description: Description) -> float:
        """Return how surely one drum alone is struck, 0..1."""
        if onset.strikes:
            return float(onset.strikes == 1)
        if count_hits(sound, self._sample_rate) > 1:
            return 0.0
        return alone_factor(describe_chance(self._network, description))

    def _classify_hit(self, hit: HarvestedHit, sound: Audio) -> HarvestedHit:
        if self._classify is None:
            return hit
        from rmod_pipeline.classification.levels import prepare_sound

        answer = self._classify([prepare_sound(sound, self._sample_rate)])[0]
        kind = answer.kind or UNKNOWN
        return replace(
            hit,
            kind=kind,
            subkind=answer.best.subkind if answer.kind else "",
            confidence=round(answer.best.confidence, 4),
        )
