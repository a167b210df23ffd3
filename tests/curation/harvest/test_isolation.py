"""Laws of isolation and cuts: what a neighbour does to a hit, and what a cut holds."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import Audio, peak
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.harvest.cut import GUARD_SECONDS, cut_sound, peak_gain, plan_cuts
from rmod_pipeline.curation.harvest.isolation import measure_isolation
from rmod_pipeline.curation.harvest.results import Cut, Isolation, SongLevels
from rmod_pipeline.curation.harvest.song import measure_levels, read_ranges, survey_song
from tests.curation.harvest.drum_songs import KINDS, RATE, make_hit, make_loop, place, song_of

LENGTH = 2 * RATE
MIDDLE = RATE


def decaying(decay: float = 12.0) -> Mono:
    """A hit [samples] of noise that decays evenly, so that levels have no ripple of their own."""
    signs = np.where(np.random.default_rng(3).random(RATE) < 0.5, -1.0, 1.0)
    hit: Mono = (0.3 * signs * np.exp(-decay * np.arange(RATE) / RATE)).astype(np.float32)
    return hit


def isolations(audio: Audio, attacks: list[int], max_seconds: float = 3.0) -> list[Isolation]:
    levels = levels_of(audio)
    cuts = plan_cuts(attacks, levels, audio.shape[1], max_seconds)
    return [measure_isolation(cut, levels) for cut in cuts]


def levels_of(audio: Audio) -> SongLevels:
    song = song_of(audio)
    return measure_levels(song, survey_song(song))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("gain", [1.0, 0.01])
def test_a_lone_hit_is_fully_isolated(kind: str, gain: float) -> None:
    (isolation,) = isolations(place([(MIDDLE, make_hit(kind), gain)], LENGTH), [MIDDLE])
    assert isolation == Isolation(before=1.0, after=1.0)
    assert isolation.value == 1.0


def test_a_hit_at_the_beginning_of_a_song_has_nothing_before_it() -> None:
    (isolation,) = isolations(place([(0, make_hit("snare"), 1.0)], LENGTH), [0])
    assert isolation.before == 1.0


def test_isolation_falls_as_an_earlier_hit_comes_nearer() -> None:
    gaps = [round(seconds * RATE) for seconds in (0.9, 0.5, 0.3, 0.2, 0.1, 0.05)]
    before = []
    for gap in gaps:
        hits = [(MIDDLE - gap, decaying(), 1.0), (MIDDLE, decaying(), 1.0)]
        before.append(isolations(place(hits, LENGTH), [MIDDLE - gap, MIDDLE])[1].before)
    assert before[0] == 1.0
    assert all(near < far for far, near in pairwise(before[1:])), before
    assert before[-1] < 0.3


def test_isolation_falls_as_a_later_hit_comes_nearer() -> None:
    gaps = [round(seconds * RATE) for seconds in (0.9, 0.5, 0.3, 0.2, 0.1, 0.05)]
    after = []
    for gap in gaps:
        hits = [(MIDDLE, decaying(), 1.0), (MIDDLE + gap, decaying(), 1.0)]
        after.append(isolations(place(hits, LENGTH), [MIDDLE, MIDDLE + gap])[0].after)
    assert after[0] == 1.0
    assert all(near < far for far, near in pairwise(after[1:])), after
    assert after[-1] < 0.4


def test_isolation_falls_as_an_earlier_hit_is_louder() -> None:
    before = []
    for gain in (0.01, 0.1, 0.5, 1.0, 3.0):
        hits = [(MIDDLE - RATE // 5, decaying(), gain), (MIDDLE, decaying(), 1.0)]
        before.append(isolations(place(hits, LENGTH), [MIDDLE - RATE // 5, MIDDLE])[1].before)
    assert all(loud < quiet for quiet, loud in pairwise(before[1:])), before
    assert before[0] == 1.0


def test_a_later_hit_that_is_louder_helps_nobody() -> None:
    after = []
    for gain in (0.1, 1.0, 3.0):
        hits = [(MIDDLE, decaying(), 1.0), (MIDDLE + RATE // 5, decaying(), gain)]
        after.append(isolations(place(hits, LENGTH), [MIDDLE, MIDDLE + RATE // 5])[0].after)
    assert all(loud <= quiet for quiet, loud in pairwise(after)), after


def test_a_ride_under_a_kick_and_a_kick_under_a_hihat_count() -> None:
    """One is not heard in the wave, the other not in the slope."""
    ringing = (0.05 * np.diff(decaying(0.5), prepend=np.float32(0))).astype(np.float32)
    kick = make_hit("kick")
    (rung,) = isolations(place([(MIDDLE - RATE // 4, ringing, 1.0), (MIDDLE, kick, 1.0)], LENGTH), [MIDDLE])
    assert rung.before < 0.7
    time = np.arange(RATE) / RATE
    low = (0.4 * np.sin(2 * np.pi * 50 * time) * np.exp(-3 * time)).astype(np.float32)
    hits = [(MIDDLE - RATE // 4, low, 1.0), (MIDDLE, make_hit("hihat"), 0.3)]
    (masked,) = isolations(place(hits, LENGTH), [MIDDLE])
    assert masked.before < 0.3


@st.composite
def attack_lists(draw: st.DrawFn) -> list[int]:
    gaps = draw(st.lists(st.integers(RATE // 100, RATE // 3), min_size=1, max_size=8))
    return [int(attack) for attack in np.cumsum(gaps)]


@settings(max_examples=30)
@given(attack_lists(), st.sampled_from([0.02, 0.1, 3.0]))
def test_a_cut_never_holds_the_next_hit(attacks: list[int], max_seconds: float) -> None:
    hits = [(attack, make_hit(KINDS[number % 3]), 1.0) for number, attack in enumerate(attacks)]
    audio = place(hits, attacks[-1] + RATE // 4)
    cuts = plan_cuts(attacks, levels_of(audio), audio.shape[1], max_seconds)
    guard = round(GUARD_SECONDS * RATE)
    for cut, following in zip(cuts, [*attacks[1:], audio.shape[1] + guard], strict=True):
        assert 0 <= cut.start <= cut.attack < cut.stop <= following - guard
        assert cut.stop - cut.attack <= round(max_seconds * RATE)
        assert cut.start + cut.fade_in <= cut.attack
        assert cut.stop - cut.fade_out > cut.attack


@settings(max_examples=20)
@given(attack_lists(), st.sampled_from([0.0, 0.2]))
def test_a_cut_is_the_song_but_for_its_fades(attacks: list[int], offset: float) -> None:
    hits = [(attack, make_hit(KINDS[number % 3]), 1.0) for number, attack in enumerate(attacks)]
    dry = place(hits, attacks[-1] + RATE)
    song = song_of(dry + np.float32(offset))
    survey = survey_song(song)
    removed = np.float32(survey.offset[0])
    cuts = plan_cuts(attacks, measure_levels(song, survey), survey.frames, 3.0)
    parts = read_ranges(song, survey, [(cut.start, cut.stop) for cut in cuts])
    for cut, part in zip(cuts, parts, strict=True):
        sound = cut_sound(part.copy(), cut)
        source = (dry + np.float32(offset))[:, cut.start : cut.stop] - removed
        stop = sound.shape[1] - cut.fade_out
        np.testing.assert_array_equal(sound[:, cut.fade_in : stop], source[:, cut.fade_in : stop])
        assert (np.abs(sound) <= np.abs(source)).all()
        assert np.abs(sound[:, -1]).max(initial=0) <= np.abs(source[:, -1]).max(initial=0)


def test_a_cut_ends_where_the_hit_has_decayed() -> None:
    audio = place([(MIDDLE, decaying(30.0), 1.0)], LENGTH)
    (cut,) = plan_cuts([MIDDLE], levels_of(audio), LENGTH, 3.0)
    seconds = 60 / (20 * np.log10(np.e) * 30.0)
    assert (cut.stop - cut.attack) / RATE == pytest.approx(seconds, abs=0.01)


@given(st.floats(-40, 0), st.floats(0.001, 1))
def test_a_peak_is_what_was_asked_for(peak_db: float, level: float) -> None:
    part = np.float32(level) * make_loop(1)[:, :RATE]
    sound = cut_sound(part.copy(), Cut(start=0, stop=RATE, attack=0, fade_in=0, fade_out=0), peak_gain(part, peak_db))
    assert 20 * np.log10(peak(sound)) == pytest.approx(peak_db, abs=0.01)


def test_silence_has_no_gain() -> None:
    assert peak_gain(np.zeros((1, 8), np.float32), -1.0) == 1.0
