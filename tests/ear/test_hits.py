"""Laws of finding hits among log odds."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.ear.hits import LEAST_DISTANCE, find_hit_frames, find_peaks
from rmod_pipeline.ear.pooling import NO_HIT

FRAMES = 40


def random_logits(seed: int) -> torch.Tensor:
    return torch.randn(2, 3, FRAMES, generator=torch.Generator().manual_seed(seed))


@given(st.integers(0, 2**31), st.floats(-2, 2))
def test_hits_are_far_apart_and_above_the_threshold(seed: int, threshold: float) -> None:
    logits = random_logits(seed)
    peaks = find_peaks(logits, threshold)
    assert bool((logits[peaks] >= threshold).all())
    for row in peaks.flatten(0, 1):
        frames = row.nonzero()[:, 0]
        assert bool((frames.diff() >= LEAST_DISTANCE).all())


@given(st.integers(0, 2**31), st.integers(1, 8))
def test_the_clearest_hits_come_in_order_of_time(seed: int, most: int) -> None:
    logits = random_logits(seed)
    found, peaks = find_hit_frames(logits, most), find_peaks(logits)
    for hits, marked, odds in zip(found.flatten(0, 1), peaks.flatten(0, 1), logits.flatten(0, 1), strict=True):
        kept = hits[hits != NO_HIT]
        assert kept.tolist() == sorted(kept.tolist())
        clearest = odds.where(marked, -torch.inf).topk(min(most, int(marked.sum()))).indices
        assert set(kept.tolist()) == set(clearest.tolist())


def test_without_any_hit_the_clearest_frame_stands_for_one() -> None:
    logits = torch.full((1, FRAMES), -9.0)
    logits[0, 7] = -5.0
    assert find_hit_frames(logits, 3).tolist() == [[7, NO_HIT, NO_HIT]]


@given(st.floats(-3, 3, width=32), st.integers(1, 5))
def test_of_equal_frames_the_first_is_the_hit(value: float, most: int) -> None:
    logits = torch.full((2, FRAMES), value)
    assert find_hit_frames(logits, most).tolist() == [[0, *[NO_HIT] * (most - 1)]] * 2
