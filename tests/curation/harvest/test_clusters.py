"""Laws of clusters: similar hits are together, the best are kept, and the order of the songs does not count."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.curation.harvest.clusters import MOST_DISTANCE_DB, SongHit, choose_best, cluster_descriptions
from rmod_pipeline.curation.harvest.describing.describe import DESCRIPTION_SIZE, RANGE_DB, STEP_DB, describe_hit
from rmod_pipeline.curation.harvest.describing.strikes import alone_factor, open_strikes_net
from rmod_pipeline.curation.harvest.results import Cut, HarvestConfig, HarvestedHit, HarvestSong, Isolation
from tests.curation.harvest.drum_songs import KINDS, RATE, make_hit


def hit_of(kind: str, seed: int, isolation: float, level: float = 0.5, time: int = 0) -> SongHit:
    sound = np.float32(level) * make_hit(kind, seed=seed)
    hit = HarvestedHit(
        cut=Cut(start=time, stop=time + sound.size, attack=time, fade_in=0, fade_out=0),
        isolation=Isolation(before=isolation, after=1.0),
        peak=float(np.abs(sound).max()),
        description=describe_hit(sound, RATE, 0),
        kind=kind,
        confidence=0.9,
    )
    song = HarvestSong(path=Path("a.wav"), name=f"song {seed % 2}", key="a", sha256="0" * 64)
    return SongHit(song=song, sample_rate=RATE, hit=hit)


def distance_db(first: np.ndarray, second: np.ndarray) -> float:
    return float(np.sqrt(((first.astype(float) - second) ** 2).mean()) * STEP_DB)


HITS = [
    hit_of(kind, seed, isolation=0.6 + 0.04 * (number % 10), level=0.2 + 0.1 * (number % 7), time=1000 * number)
    for number, (kind, seed) in enumerate((kind, seed) for kind in KINDS for seed in range(8))
]


@settings(max_examples=15)
@given(st.permutations(range(len(HITS))), st.integers(1, 4))
def test_the_order_of_hits_does_not_count(order: list[int], per_cluster: int) -> None:
    config = HarvestConfig(per_cluster=per_cluster)
    assert choose_best([HITS[index] for index in order], config) == choose_best(HITS, config)


@given(st.integers(1, 4), st.floats(0, 1))
def test_the_best_few_of_a_cluster_are_kept(per_cluster: int, min_isolation: float) -> None:
    config = HarvestConfig(per_cluster=per_cluster, min_isolation=min_isolation)
    kept, clusters = choose_best(HITS, config)
    counts = Counter(number for _, number in kept)
    assert set(counts) == set(range(1, clusters + 1))
    assert max(counts.values(), default=0) <= per_cluster
    assert all(hit.hit.isolation.value >= min_isolation for hit, _ in kept)
    for number in counts:
        members = [hit for hit, cluster in kept if cluster == number]
        assert members == sorted(members, key=lambda hit: hit.quality)
        assert len({hit.hit.kind for hit in members}) == 1


def test_silence_is_never_kept() -> None:
    kept, clusters = choose_best([hit_of("kick", 0, 1.0, level=1e-4)], HarvestConfig())
    assert not kept
    assert not clusters


@given(st.lists(st.integers(0, 139), min_size=1, max_size=40))
def test_a_member_is_near_the_first_of_its_cluster(levels: list[int]) -> None:
    descriptions = [np.full(DESCRIPTION_SIZE, level, np.uint8) for level in levels]
    numbers = cluster_descriptions(descriptions)
    leaders: dict[int, int] = {}
    for number, level in zip(numbers, levels, strict=True):
        leader = leaders.setdefault(number, level)
        assert abs(leader - level) * STEP_DB <= MOST_DISTANCE_DB
    firsts = list(leaders.values())
    assert all(abs(a - b) * STEP_DB > MOST_DISTANCE_DB for i, a in enumerate(firsts) for b in firsts[:i])
    assert list(leaders) == list(range(len(leaders)))


def test_no_hits_have_no_clusters() -> None:
    assert cluster_descriptions([]) == []
    assert choose_best([], HarvestConfig()) == ([], 0)


def test_hits_of_one_drum_are_alike_and_drums_differ() -> None:
    drums = {kind: describe_hit(make_hit(kind, seed=1), RATE, 0) for kind in KINDS}
    again = {kind: describe_hit(make_hit(kind, seed=2), RATE, 0) for kind in KINDS}
    for kind in KINDS:
        assert distance_db(drums[kind], again[kind]) < MOST_DISTANCE_DB
        assert all(distance_db(drums[kind], drums[other]) > 10 for other in KINDS if other != kind)


@given(st.sampled_from(KINDS), st.sampled_from([2.0**-5, 0.25, 2.0]))
def test_the_level_of_a_hit_is_not_described(kind: str, gain: float) -> None:
    hit = make_hit(kind)
    np.testing.assert_array_equal(describe_hit(hit, RATE, 0), describe_hit(np.float32(gain) * hit, RATE, 0))


def test_a_description_does_not_depend_on_the_rate() -> None:
    from rmod_pipeline.library.read import resample

    hit = np.pad(make_hit("snare"), (200, 0))
    faster = resample(hit[None], RATE, 96_000)[0]
    other = describe_hit(faster, 96_000, round(200 * 96_000 / RATE))
    assert distance_db(describe_hit(hit, RATE, 200), other) < 1.5


def test_silence_and_short_sounds_are_described() -> None:
    assert not describe_hit(np.zeros(1000, np.float32), RATE, 0).any()
    for size in (1, 2, 50):
        described = describe_hit(np.full(size, 0.5, np.float32), RATE, 0)
        assert described.shape == (DESCRIPTION_SIZE,)
        assert described.max() == round(RANGE_DB / STEP_DB)


def test_one_drum_is_more_alone_than_two() -> None:
    network = open_strikes_net()
    kick, hihat = make_hit("kick"), make_hit("hihat")
    described = np.stack([describe_hit(sound, RATE, 0) for sound in (kick, hihat, kick + hihat)])
    chances = network.chances_of_several(described)
    assert chances.max() == chances[2]
    # One by one or all at once: the same bits.
    np.testing.assert_array_equal(chances, [network.chances_of_several(each[None])[0] for each in described])


@given(st.floats(0, 1))
def test_how_alone_a_hit_is_falls_with_the_chance_of_several(chance: float) -> None:
    assert 0 <= alone_factor(chance) <= 1
    assert alone_factor(0.0) == 1.0
    assert alone_factor(1.0) == 0.0
    assert alone_factor(min(chance + 0.01, 1)) <= alone_factor(chance)
