"""Laws of pooling: the mean and the minimum over hits, each until the next one."""

from __future__ import annotations

import torch
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.ear.pooling import NO_HIT, pool_hits

FRAMES = 6


def plain_pooling(maps: torch.Tensor, hits: list[int], frames: int) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """Return mean, minimum [channels, frames] and share [frames], computed frame by frame."""
    total = maps.shape[1]
    ends = [*hits[1:], total][: len(hits)]
    mean, minimum, share = torch.zeros(maps.shape[0], frames), torch.zeros(maps.shape[0], frames), torch.zeros(frames)
    for frame in range(frames):
        columns = [maps[:, hit + frame] for hit, end in zip(hits, ends, strict=True) if hit + frame < end]
        if columns:
            stacked = torch.stack(columns)
            mean[:, frame], minimum[:, frame] = stacked.mean(0), stacked.amin(0)
            share[frame] = len(columns) / len(hits)
    return mean, minimum, share


@given(st.sets(st.integers(0, 29), max_size=5), st.integers(0, 3), st.integers(0, 2**31))
def test_pooling_equals_the_plain_way(hit_set: set[int], padding: int, seed: int) -> None:
    maps = torch.randn(2, 3, 30, generator=torch.Generator().manual_seed(seed))
    hits = sorted(hit_set)
    padded = torch.tensor([[*hits, *[NO_HIT] * (padding + (not hits))]] * 2)
    pooled = pool_hits(maps, padded, FRAMES)
    for item in range(2):
        mean, minimum, share = plain_pooling(maps[item], hits, FRAMES)
        torch.testing.assert_close(pooled.mean[item], mean)
        torch.testing.assert_close(pooled.minimum[item], minimum)
        torch.testing.assert_close(pooled.share[item, 0], share)


@given(st.integers(1, 40), st.integers(0, 2**31))
def test_what_sounds_after_every_hit_is_the_minimum(loud: int, seed: int) -> None:
    """Another sound that covers some hits, but not all, leaves the minimum as it is."""
    drum = torch.rand(1, 4, FRAMES, generator=torch.Generator().manual_seed(seed))
    maps = torch.zeros(1, 4, 4 * FRAMES)
    for hit in range(4):
        maps[..., hit * FRAMES : (hit + 1) * FRAMES] = drum
    covered = maps.clone()
    covered[..., FRAMES : 3 * FRAMES] += loud
    hits = torch.arange(4)[None] * FRAMES
    torch.testing.assert_close(pool_hits(covered, hits, FRAMES).minimum, pool_hits(maps, hits, FRAMES).minimum)
    torch.testing.assert_close(pool_hits(maps, hits, FRAMES).minimum, drum)
