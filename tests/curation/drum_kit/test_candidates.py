"""Sounds are found where they begin, bad files have a reason, and the pool does not depend on the order of files."""

from __future__ import annotations

import os
from itertools import pairwise
from pathlib import Path
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio
from rmod_pipeline.curation.drum_kit.candidate_cache import CandidateCache
from rmod_pipeline.curation.drum_kit.candidates import (
    BEST_OF_FILE,
    CandidatePool,
    FileCandidates,
    analyse_sound_file,
)
from rmod_pipeline.curation.drum_kit.listen import listen_with
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import PadCandidate, SoundPlace
from rmod_pipeline.library.read import resample
from tests.curation.drum_kit.kit_sounds import DRUMS, hide
from tests.curation.drum_kit.shape_classifier import ShapeClassifier
from tests.library.library_sounds import RATE, write_sound

LISTEN = listen_with(ShapeClassifier())


def analyse(path: Path) -> FileCandidates:
    return analyse_sound_file(path, path.name, LISTEN)


@pytest.mark.parametrize(("drum", "rate"), [("kick", 22_050), ("snare", 48_000), ("hihat_closed", 44_100)])
def test_a_hidden_drum_is_found_where_it_begins_and_rated_best_for_its_pad(
    drum: str, rate: int, tmp_path: Path
) -> None:
    at = 1.234
    recording = resample(hide(DRUMS[drum](), at, 3.0), RATE, rate)
    found = analyse(write_sound(tmp_path / "field.wav", recording, rate))
    best = max(found.candidates, key=lambda each: each.scores[drum])
    assert best.place.start / rate == pytest.approx(at, abs=0.004)
    assert best.place.sample_rate == rate
    assert max(DRUMS, key=lambda pad: best.scores[pad]) == drum


def test_places_of_a_file_never_overlap_and_stay_inside(tmp_path: Path) -> None:
    hits = [hide(make(), 0.2, 0.6, seed=number) for number, make in enumerate([*DRUMS.values()] * 4)]
    found = analyse(write_sound(tmp_path / "row.wav", np.concatenate(hits, axis=1)))
    places = [each.place for each in found.candidates]
    assert len(places) >= 12 and found.sounds >= len(places)
    for first, second in pairwise(places):
        assert first.end <= second.start and not first.overlaps(second)
    assert places[0].start >= 0 and places[-1].end <= sum(hit.shape[1] for hit in hits)


def test_of_a_long_file_no_more_than_the_best_places_are_kept(tmp_path: Path) -> None:
    seconds = 55
    audio = np.random.default_rng(0).standard_normal((1, seconds * RATE)).astype(np.float32) * 1e-4
    for beat in range(4 * seconds - 1):
        sound = [*DRUMS.values()][beat % 3]()
        audio[:, beat * RATE // 4 : beat * RATE // 4 + sound.shape[1]] += sound
    found = analyse(write_sound(tmp_path / "long.flac", audio))
    assert found.sounds > 200
    for pad in PADS:
        kept = sorted((each.scores[pad] for each in found.candidates), reverse=True)
        assert len(kept) >= BEST_OF_FILE


@pytest.mark.parametrize(
    ("name", "audio", "reason"),
    [
        ("empty", np.zeros((1, 0), np.float32), "frames"),
        ("five", np.ones((1, 5), np.float32), "too short: 5 frames"),
        ("silent", np.zeros((2, RATE), np.float32), "silent"),
        ("offset", np.full((1, RATE), 0.3, np.float32), "silent"),
        ("faint", np.random.default_rng(0).standard_normal((1, RATE)).astype(np.float32) * 1e-4, "silent|no sound"),
        ("click", np.pad(np.ones((1, 300), np.float32), ((0, 0), (RATE, RATE))) * 0.5, "no sound begins"),
    ],
)
def test_a_file_without_a_sound_says_why(name: str, audio: Audio, reason: str, tmp_path: Path) -> None:
    found = analyse(write_sound(tmp_path / f"{name}.wav", audio, subtype="FLOAT"))
    assert not found.candidates
    assert any(word in found.reason for word in reason.split("|")), found.reason


def test_files_that_cannot_be_read_say_why(tmp_path: Path) -> None:
    (tmp_path / "text.wav").write_text("no audio")
    (tmp_path / "empty.wav").touch()
    (tmp_path / "folder.wav").mkdir()
    whole = write_sound(tmp_path / "whole.wav", hide(DRUMS["kick"](), 0.5, 2.0))
    (tmp_path / "cut.wav").write_bytes(whole.read_bytes()[:90_000])
    write_sound(tmp_path / "nan.wav", np.full((1, RATE), np.nan, np.float32), subtype="FLOAT")
    os.mkfifo(tmp_path / "pipe.wav")
    for name in ("text", "empty", "folder", "nan", "pipe", "missing"):
        found = analyse(tmp_path / f"{name}.wav")
        assert found.reason and not found.candidates, name
    assert analyse(whole).candidates


def test_stereo_and_many_channels_are_read(tmp_path: Path) -> None:
    mono = hide(DRUMS["kick"](), 0.5, 1.5)
    starts = set()
    for channels in (1, 2, 6):
        found = analyse(write_sound(tmp_path / f"{channels}.wav", np.repeat(mono, channels, axis=0)))
        starts.add(max(found.candidates, key=lambda each: each.scores["kick"]).place.start)
    assert max(starts) - min(starts) <= 2


def candidate(sha256: str, start: int, score: float, source: str = "") -> PadCandidate:
    place = SoundPlace(source=source or f"{sha256}.wav", sha256=sha256, sample_rate=RATE, start=start, frames=100)
    return PadCandidate(place=place, scores=dict.fromkeys(PADS, score), clarity_db=20.0)


files = st.lists(
    st.lists(st.tuples(st.integers(0, 9), st.integers(-3, 0)), min_size=1, max_size=6, unique_by=lambda each: each[0]),
    min_size=1,
    max_size=8,
)


@given(files, st.randoms(use_true_random=False))
def test_the_pool_keeps_the_same_whatever_the_order_of_files(
    content: list[list[tuple[int, int]]], random: Random
) -> None:
    groups = [[candidate(f"{n}", start, score) for start, score in each] for n, each in enumerate(content)]
    pools = []
    for _ in range(2):
        pool = CandidatePool(5, 2)
        for group in groups:
            pool.add(group)
        pools.append(pool.best_of("kick"))
        random.shuffle(groups)
    assert pools[0] == pools[1]
    assert len(pools[0]) <= 5
    per_file = [sum(each.place.sha256 == name for each in pools[0]) for name in map(str, range(8))]
    others = sum(min(len(group), 2) for group in groups)
    assert max(per_file) <= 2 or others < 5, "a file has more only if the others have too few"
    assert len(pools[0]) == min(5, sum(map(len, groups)))
    scores = [each.scores["kick"] for each in pools[0]]
    assert scores == sorted(scores, reverse=True)


def test_copies_of_a_file_are_one_place(tmp_path: Path) -> None:
    for order in (("a.wav", "b.wav"), ("b.wav", "a.wav")):
        pool = CandidatePool(10, 10)
        for source in order:
            pool.add([candidate("same", 7, -1.0, source)])
        assert [each.place.source for each in pool.best_of("kick")] == ["a.wav"]


def test_the_cache_returns_what_was_found_until_the_file_changes(tmp_path: Path) -> None:
    path = write_sound(tmp_path / "field.wav", hide(DRUMS["kick"](), 0.5, 1.5))
    found = analyse(path)
    cache = CandidateCache(tmp_path / "cache.sqlite", {"sha256": "0" * 64})
    assert cache.load(path, path.name) is None
    cache.store(path, found)
    assert cache.load(path, path.name) == found
    cache.close()
    again = CandidateCache(tmp_path / "cache.sqlite", {"sha256": "0" * 64})
    assert again.load(path, path.name) == found
    assert CandidateCache(tmp_path / "cache.sqlite", {"sha256": "1" * 64}).load(path, path.name) is None
    assert CandidateCache(tmp_path / "cache.sqlite", {"sha256": "0" * 64}, fresh=True).load(path, path.name) is None
    assert CandidateCache(tmp_path / "other.sqlite", {}).load(path, path.name) is None
    write_sound(path, hide(DRUMS["snare"](), 0.5, 1.6))
    assert again.load(path, path.name) is None
