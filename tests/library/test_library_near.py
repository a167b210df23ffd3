"""Near-duplicates: one sound in other clothes is found, other sounds are not; on made sounds and on real ones."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.fingerprint import LENGTH, SAME, Probe, candidates, fingerprint, likeness, probe
from rmod_pipeline.library.read import Decoded, decode_sound, read_sound
from tests.library.disguises import DISGUISES, Disguise
from tests.library.library_sounds import RATE, hit


def found(one: Probe, other: Probe) -> bool:
    """Say whether a scan would find that two sounds are one."""
    marks = np.stack([fingerprint(one), fingerprint(other)])
    return list(candidates(marks)) == [(0, 1)] and likeness(one, other) >= SAME


def probe_of(decoded: Decoded) -> Probe:
    return probe(decoded.audio, decoded.sample_rate)


@pytest.mark.parametrize("disguise", DISGUISES.values(), ids=DISGUISES)
@pytest.mark.parametrize("channels", [1, 2])
def test_a_sound_is_known_in_any_disguise(disguise: Disguise, channels: int) -> None:
    for seed in range(4):
        audio = hit(seed, 0.4, channels=channels)
        assert found(probe(audio, RATE), probe_of(decode_sound(disguise(audio, RATE), "x"))), seed


def test_other_sounds_are_not_joined() -> None:
    probes = [probe(hit(seed, 0.4), RATE) for seed in range(30)]
    assert not any(likeness(one, other) >= SAME for one, other in combinations(probes, 2))


def test_another_hit_of_one_drum_is_another_sound() -> None:
    """The same tone, with noise that is as loud and as long but drawn anew, as no two hits are equal."""
    random = np.random.default_rng(7)
    time = np.arange(RATE // 3) / RATE
    tone = np.sin(2 * np.pi * 180 * time) * np.exp(-12 * time)
    hits = [tone + 0.4 * random.standard_normal(len(time)) * np.exp(-15 * time) for _ in range(6)]
    probes = [probe(0.4 * hit[None].astype(np.float32), RATE) for hit in hits]
    assert max(likeness(one, other) for one, other in combinations(probes, 2)) < SAME - 0.1


def test_likeness_is_symmetric_and_at_most_one() -> None:
    probes = [probe(hit(seed, 0.1 + 0.1 * seed), RATE) for seed in range(4)]
    for one, other in combinations(probes, 2):
        assert likeness(one, other) == pytest.approx(likeness(other, one), abs=0.02)
        assert likeness(one, one) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0])
def test_next_to_nothing_is_no_traceback(frames: int, value: float) -> None:
    tiny = probe(np.full((1, frames), value, np.float32), RATE)
    mark = fingerprint(tiny)
    assert mark.shape == (LENGTH,) and np.isfinite(mark).all()
    assert 0 <= likeness(tiny, probe(hit(1), RATE)) < SAME


def test_candidates_are_the_same_in_blocks() -> None:
    marks = np.stack([fingerprint(probe(hit(seed % 40, 0.05), RATE)) for seed in range(80)])
    many = np.concatenate([marks] * 10)
    pairs = set(candidates(many))
    assert {(i, j) for i, j in combinations(range(len(many)), 2) if i % 40 == j % 40} <= pairs
    assert all(i < j for i, j in pairs)


@pytest.fixture(scope="module")
def real(real_library_folder: Path) -> list[tuple[dict[str, str], Audio, int]]:
    """Rows of the labels of real recordings, with their sound and its rate."""
    with (real_library_folder / "library.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sounds = []
    for row in rows:
        try:
            sounds.append((row, *read_sound(real_library_folder / row["path"])))
        except AssetError:
            continue
    return sounds


@pytest.mark.slow
def test_planted_copies_of_real_files_are_found(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    order = np.random.default_rng(11).permutation(len(real))[:200]
    missed, planted = [], 0
    for turn, at in enumerate(order):
        row, audio, rate = real[at]
        original = probe(audio, rate)
        # Three disguises a file, in turn: each is tried on every third file.
        for difference, disguise in list(DISGUISES.items())[turn % 3 :: 3]:
            planted += 1
            if not found(original, probe_of(decode_sound(disguise(audio, rate), row["path"]))):
                missed.append((difference, row["path"]))
    assert len(missed) <= 0.02 * planted, missed


@pytest.mark.slow
def test_real_sounds_of_different_kits_are_seldom_joined(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    """Also through others, as groups are. Most joined pairs are one recording: see docs/lab/near-duplicates.md."""
    from rmod_pipeline.library.groups import DisjointSets

    probes = [probe(audio, rate) for _, audio, rate in real]
    kits = [row["kit"] for row, *_ in real]
    union = DisjointSets(len(real))
    for i, j in candidates(np.stack([fingerprint(each) for each in probes])):
        if union.find(i) != union.find(j) and likeness(probes[i], probes[j]) >= SAME:
            union.join(i, j)
    joined = sum(kits[i] != kits[j] for each in union.sets() for i, j in combinations(each, 2))
    across = sum(one != other for one, other in combinations(kits, 2))
    assert joined <= 0.01 * across, f"{joined} of {across} pairs"


@pytest.mark.slow
def test_velocity_layers_of_a_real_drum_stay_apart(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    """Round robins and velocity layers: other hits of one drum, recorded one after the other."""
    names = ("PearlKick", "frankensnare-14", "Softest", "sn_vl1", "sn_vl2", "sn_vl3")
    hits = [probe(audio, rate) for row, audio, rate in real if any(name in row["path"] for name in names)]
    if len(hits) < 10:
        pytest.skip("these recordings hold no velocity layers by their names")
    pairs = list(combinations(hits[:: max(1, len(hits) // 40)], 2))
    joined = sum(likeness(one, other) >= SAME for one, other in pairs)
    assert joined <= 0.02 * len(pairs), f"{joined} of {len(pairs)} pairs"
