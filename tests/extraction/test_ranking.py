"""Ranking: candidates near to all others come first, and those that are found in the music weigh more."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.signal import resample

from rmod_pipeline.codec.spectral_distance import distance_from_mean
from rmod_pipeline.extraction.answers.misfit import measure_misfits
from rmod_pipeline.extraction.answers.ranking import rank_by_ear, rank_generated, score_candidates
from rmod_pipeline.extraction.results import GeneratedCandidate, Window
from tests.tiny_dose import SOUNDS

RATE = 44_100


def make_drum(hz: float, seconds: float = 0.3, decay: float = 0.06) -> torch.Tensor:
    times = torch.arange(round(seconds * RATE)) / RATE
    return torch.sin(2 * torch.pi * hz * times) * torch.exp(-times / decay)


def make_music(
    sound: torch.Tensor, starts: tuple[int, ...] = (3_000, 60_000, 111_111), noise: float = 0.01
) -> torch.Tensor:
    window = noise * torch.randn(4 * RATE, generator=torch.Generator().manual_seed(1))
    for start in starts:
        window[start : start + len(sound)] += 0.3 * sound
    return window


def test_equal_weights_are_the_same_as_none() -> None:
    sounds = torch.randn(4, 5_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(distance_from_mean(sounds, torch.full((4,), 0.25)), distance_from_mean(sounds))


def test_a_sound_with_all_the_weight_is_the_mean() -> None:
    sounds = torch.randn(3, 5_000, generator=torch.Generator().manual_seed(0))
    distances = distance_from_mean(sounds, torch.tensor([0.0, 1.0, 0.0]))
    assert float(distances[1]) == pytest.approx(0, abs=1e-9)
    assert float(distances[0]) > 0.01


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([50.0, 70.0, 95.0, 140.0, 220.0]), st.floats(-30, 12))
def test_the_sound_that_was_played_has_the_least_misfit_at_any_level(hz: float, gain_db: float) -> None:
    sounds = torch.stack([make_drum(each) for each in (50.0, 70.0, 95.0, 140.0, 220.0)])
    found = measure_misfits(make_music(make_drum(hz)), sounds * 10 ** (gain_db / 20), RATE)
    assert int(found.argmin()) == [50.0, 70.0, 95.0, 140.0, 220.0].index(hz)


def test_another_sound_at_the_same_time_costs_less_than_one_that_is_not_there() -> None:
    low, high = make_drum(60.0), make_drum(3_000.0, decay=0.03)
    both = low + high
    with_more = measure_misfits(make_music(both), torch.stack([low]), RATE)
    with_less = measure_misfits(make_music(low), torch.stack([both]), RATE)
    assert float(with_more) < float(with_less)


def test_silence_and_short_windows_have_finite_misfits() -> None:
    sounds = torch.stack([make_drum(60.0), torch.zeros(round(0.3 * RATE)), make_drum(90.0)])
    for window in (torch.zeros(4 * RATE), make_music(make_drum(60.0))[: RATE // 4]):
        assert bool(measure_misfits(window, sounds, RATE).isfinite().all())


def test_only_kicks_are_compared_with_the_music() -> None:
    sounds = torch.stack([make_drum(60.0), make_drum(61.0), make_drum(62.0)])
    windows = torch.stack([make_music(make_drum(60.0)), make_music(make_drum(62.0))])
    scores = score_candidates("kick", sounds, windows, [0, 1, 1], RATE)
    assert scores.misfits_db is not None
    one = measure_misfits(windows[0], sounds[:1], RATE)
    others = measure_misfits(windows[1], sounds[1:], RATE)
    torch.testing.assert_close(scores.misfits_db, torch.cat([one, others]))
    unmatched = score_candidates("hihat", sounds, windows, [0, 1, 1], RATE)
    assert unmatched.misfits_db is None
    torch.testing.assert_close(unmatched.distances, distance_from_mean(sounds))


def test_equal_misfits_weigh_the_same_and_a_large_one_hardly_counts() -> None:
    played, other = make_drum(60.0), make_drum(140.0)
    window = make_music(played)[None]
    # Three that differ by their level only, which does not affect the misfit.
    alike = torch.stack([played, 0.5 * played, 0.1 * played])
    scores = score_candidates("kick", alike, window, [0, 0, 0], RATE)
    torch.testing.assert_close(scores.distances, distance_from_mean(alike), atol=1e-4, rtol=0)
    # Two that were not played and one that was, which is farthest from their mean.
    mixed = torch.stack([other, make_drum(141.0), played])
    assert int(distance_from_mean(mixed).argmin()) != 2
    assert int(score_candidates("kick", mixed, window, [0, 0, 0], RATE).distances.argmin()) == 2


def make_candidate(
    sound: Any, try_index: int = 0, log_probability: float = -1.0, silent: bool = False
) -> GeneratedCandidate:
    return GeneratedCandidate(
        window=0,
        try_index=try_index,
        seed=0,
        temperature=1.0,
        top_p=1.0,
        log_probability=log_probability,
        silent=silent,
        gain_db=0.0,
        codes=np.zeros((1, 1), np.uint16),
        audio=sound,
    )


def make_window(audio: Any) -> Window:
    return Window(seconds=0.0, clarity_db=None, hits=(), audio=audio.astype(np.float32))


def test_the_best_candidate_is_near_most_others_and_not_the_most_likely() -> None:
    kick = SOUNDS["kick"]().astype(np.float32)
    alike = [make_candidate(kick[: 6000 + 300 * number], number) for number in range(3)]
    odd = make_candidate(SOUNDS["hihat"]().astype(np.float32), 3, log_probability=-0.1)
    silent = make_candidate(np.zeros(99, np.float32), 4, log_probability=0.0, silent=True)
    first, *others = rank_generated([silent, odd, *alike], "snare", [make_window(kick)], RATE)
    assert first.try_index in {0, 1, 2}
    assert [each.try_index for each in others[-2:]] == [3, 4]
    distances = [each.apart for each in [first, *others[:-1]] if each.apart is not None]
    assert len(distances) == 4
    assert distances == sorted(distances)
    assert others[-1].apart is None, "a silent candidate has no distance"


def test_the_more_likely_of_two_candidates_is_the_best() -> None:
    one, other = (SOUNDS[name]().astype(np.float32) for name in ("kick", "hihat"))
    best, worse = rank_generated(
        [make_candidate(one, 0, -2.0), make_candidate(other, 1, -1.0)], "kick", [make_window(one)], RATE
    )
    assert (best.try_index, worse.try_index) == (1, 0)
    assert best.apart is None
    assert best.misfit_db is None


def test_what_is_like_what_the_ear_heard_outweighs_what_is_not() -> None:
    kick, hat = (SOUNDS[name]().astype(np.float32) for name in ("kick", "hihat"))
    unlike = [0.5, 0.5, 0.1]
    sounds = [hat, hat[: hat.size - 300], kick]
    candidates = [
        replace(make_candidate(sound, number), unlikeness=score)
        for number, (sound, score) in enumerate(zip(sounds, unlike, strict=True))
    ]
    window = [make_window(np.zeros(4 * RATE))]
    assert rank_generated(candidates, "snare", window, RATE)[0].try_index == 2
    alike = [replace(candidate, unlikeness=0.5) for candidate in candidates]
    assert rank_generated(alike, "snare", window, RATE)[0].try_index != 2
    # With an ear, two are enough to tell which is better.
    assert rank_generated(candidates[1:], "snare", window, RATE)[0].try_index == 2


def test_silence_after_candidates_changes_no_order() -> None:
    """They are compared in the window of the drum, whatever their lengths."""
    sounds = [SOUNDS[name]().astype(np.float32)[:9000] for name in ("kick", "hihat", "snare", "kick")]
    candidates = [
        replace(make_candidate(sound, number), unlikeness=0.1 * number) for number, sound in enumerate(sounds)
    ]
    padded = [replace(candidate, audio=np.pad(candidate.audio, (0, 20_000))) for candidate in candidates]
    window = [make_window(np.zeros(4 * RATE))]
    one, other = (rank_generated(each, "snare", window, RATE, 30_000) for each in (candidates, padded))
    assert [each.try_index for each in one] == [each.try_index for each in other]
    assert [each.apart for each in one] == pytest.approx([each.apart for each in other])
    sums = [each.unlikeness + each.apart for each in one if each.unlikeness is not None and each.apart is not None]
    assert sums == sorted(sums)
    assert len(sums) == 4


def test_silent_candidates_come_last_by_ear() -> None:
    sound = SOUNDS["kick"]().astype(np.float32)
    silent = make_candidate(np.zeros(99, np.float32), 0, silent=True)
    heard = [replace(make_candidate(sound, number), unlikeness=1.0 / number) for number in (1, 2)]
    assert [each.try_index for each in rank_by_ear([silent, *heard]) if isinstance(each, GeneratedCandidate)] == [
        2,
        1,
        0,
    ]


def test_a_kick_in_the_music_outweighs_several_that_are_not() -> None:
    kick = SOUNDS["kick"]().astype(np.float32)
    higher = [resample(kick, round(kick.size * (1 - step / 20))).astype(np.float32) for step in (8, 9, 10)]
    music = np.zeros(4 * RATE, np.float32)
    for start in (0, 30_000, 77_777, 120_000):
        music[start : start + kick.size] += 0.4 * kick[: music.size - start]
    music += 0.01 * np.random.default_rng(0).standard_normal(music.size).astype(np.float32)
    candidates = [make_candidate(sound, number) for number, sound in enumerate([*higher, kick])]
    ranked = rank_generated(candidates, "kick", [make_window(music)], RATE)
    assert ranked[0].try_index == 3
    misfits = [each.misfit_db for each in ranked if each.misfit_db is not None]
    assert len(misfits) == 4
    assert misfits[0] == min(misfits)
    # For a drum whose misfit is not measured, the majority wins.
    assert rank_generated(candidates, "snare", [make_window(music)], RATE)[0].try_index != 3


def test_sounds_shorter_than_a_window_are_ranked() -> None:
    clicks = [make_candidate(np.full(30 + number, 0.5, np.float32), number) for number in range(3)]
    ranks = rank_generated(clicks, "kick", [make_window(np.random.default_rng(0).uniform(-1, 1, 9000))], RATE)
    assert all(each.apart is not None and np.isfinite(each.apart) for each in ranks)
