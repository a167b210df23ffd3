"""Which candidate is taken: what they have in common, and what of them is found in the music."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.codec.spectral_distance import distance_from_mean
from rmod_pipeline.extraction.misfit import misfits
from rmod_pipeline.extraction.ranking import score_candidates

RATE = 44_100


def drum(hz: float, seconds: float = 0.3, decay: float = 0.06) -> torch.Tensor:
    times = torch.arange(round(seconds * RATE)) / RATE
    return torch.sin(2 * torch.pi * hz * times) * torch.exp(-times / decay)


def music(sound: torch.Tensor, starts: tuple[int, ...] = (3_000, 60_000, 111_111), noise: float = 0.01) -> torch.Tensor:
    window = noise * torch.randn(4 * RATE, generator=torch.Generator().manual_seed(1))
    for start in starts:
        window[start : start + len(sound)] += 0.3 * sound
    return window


def test_alike_weights_are_none_at_all() -> None:
    sounds = torch.randn(4, 5_000, generator=torch.Generator().manual_seed(0))
    torch.testing.assert_close(distance_from_mean(sounds, torch.full((4,), 0.25)), distance_from_mean(sounds))


def test_a_sound_with_all_the_weight_is_the_mean() -> None:
    sounds = torch.randn(3, 5_000, generator=torch.Generator().manual_seed(0))
    apart = distance_from_mean(sounds, torch.tensor([0.0, 1.0, 0.0]))
    assert float(apart[1]) == pytest.approx(0, abs=1e-9)
    assert float(apart[0]) > 0.01


@settings(max_examples=15, deadline=None)
@given(st.sampled_from([50.0, 70.0, 95.0, 140.0, 220.0]), st.floats(-30, 12))
def test_what_was_played_fits_better_than_what_was_not_at_any_level(hz: float, gain_db: float) -> None:
    sounds = torch.stack([drum(each) for each in (50.0, 70.0, 95.0, 140.0, 220.0)])
    found = misfits(music(drum(hz)), sounds * 10 ** (gain_db / 20), RATE)
    assert int(found.argmin()) == [50.0, 70.0, 95.0, 140.0, 220.0].index(hz)


def test_another_sound_at_the_same_time_costs_less_than_one_that_is_not_there() -> None:
    low, high = drum(60.0), drum(3_000.0, decay=0.03)
    both = low + high
    with_more = misfits(music(both), torch.stack([low]), RATE)
    with_less = misfits(music(low), torch.stack([both]), RATE)
    assert float(with_more) < float(with_less)


def test_silence_and_short_windows_are_judged_without_an_error() -> None:
    sounds = torch.stack([drum(60.0), torch.zeros(round(0.3 * RATE)), drum(90.0)])
    for window in (torch.zeros(4 * RATE), music(drum(60.0))[: RATE // 4]):
        assert bool(misfits(window, sounds, RATE).isfinite().all())


def test_only_drums_that_are_listened_for_again_are_asked_of_the_music() -> None:
    sounds = torch.stack([drum(60.0), drum(61.0), drum(62.0)])
    windows = torch.stack([music(drum(60.0)), music(drum(62.0))])
    judged = score_candidates("kick", sounds, windows, [0, 1, 1], RATE)
    assert judged.misfit is not None
    one = misfits(windows[0], sounds[:1], RATE)
    others = misfits(windows[1], sounds[1:], RATE)
    torch.testing.assert_close(judged.misfit, torch.cat([one, others]))
    untold = score_candidates("hihat", sounds, windows, [0, 1, 1], RATE)
    assert untold.misfit is None
    torch.testing.assert_close(untold.apart, distance_from_mean(sounds))


def test_what_is_found_equally_well_counts_alike_and_what_is_not_found_hardly_counts() -> None:
    played, other = drum(60.0), drum(140.0)
    window = music(played)[None]
    # Three that differ by their level alone, which is not judged: nothing tells them apart.
    alike = torch.stack([played, 0.5 * played, 0.1 * played])
    judged = score_candidates("kick", alike, window, [0, 0, 0], RATE)
    torch.testing.assert_close(judged.apart, distance_from_mean(alike), atol=1e-4, rtol=0)
    # Two that were not played, and one that was: by what they have in common it would lose.
    mixed = torch.stack([other, drum(141.0), played])
    assert int(distance_from_mean(mixed).argmin()) != 2
    assert int(score_candidates("kick", mixed, window, [0, 0, 0], RATE).apart.argmin()) == 2
