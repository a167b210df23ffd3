"""Near-duplicates: altered copies are found and other sounds are not, for synthetic and for real sounds."""

from __future__ import annotations

import csv
from itertools import combinations
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.audio import Audio
from rmod_pipeline.errors import AssetError
from rmod_pipeline.library.audio_fingerprint import (
    FINGERPRINT_SIZE,
    MIN_SIMILARITY,
    Excerpt,
    compute_fingerprint,
    compute_similarity,
    find_candidate_pairs,
    make_excerpt,
)
from rmod_pipeline.library.groups import UnionFind
from rmod_pipeline.library.read import DecodedSound, decode_sound, read_sound
from tests.library.alterations import ALTERATIONS, Alteration
from tests.library.library_sounds import RATE, hit


def are_copies(first: Excerpt, second: Excerpt) -> bool:
    """Return whether a scan would join two sounds."""
    fingerprints = np.stack([compute_fingerprint(first), compute_fingerprint(second)])
    is_candidate = list(find_candidate_pairs(fingerprints)) == [(0, 1)]
    return is_candidate and compute_similarity(first, second) >= MIN_SIMILARITY


def excerpt_of(decoded: DecodedSound) -> Excerpt:
    return make_excerpt(decoded.audio, decoded.sample_rate)


@pytest.mark.parametrize("alteration", ALTERATIONS.values(), ids=ALTERATIONS)
@pytest.mark.parametrize("channels", [1, 2])
def test_altered_copies_are_found(alteration: Alteration, channels: int) -> None:
    for seed in range(4):
        audio = hit(seed, 0.4, channels=channels)
        copy = decode_sound(alteration(audio, RATE), "x")
        assert are_copies(make_excerpt(audio, RATE), excerpt_of(copy)), seed


def test_other_sounds_are_not_joined() -> None:
    excerpts = [make_excerpt(hit(seed, 0.4), RATE) for seed in range(30)]
    assert not any(compute_similarity(*pair) >= MIN_SIMILARITY for pair in combinations(excerpts, 2))


def test_another_hit_of_one_drum_is_another_sound() -> None:
    """The tone is the same; the noise has the same level and length but other random values, as in real hits."""
    random = np.random.default_rng(7)
    time = np.arange(RATE // 3) / RATE
    tone = np.sin(2 * np.pi * 180 * time) * np.exp(-12 * time)
    hits = [tone + 0.4 * random.standard_normal(len(time)) * np.exp(-15 * time) for _ in range(6)]
    excerpts = [make_excerpt(0.4 * hit[None].astype(np.float32), RATE) for hit in hits]
    assert max(compute_similarity(*pair) for pair in combinations(excerpts, 2)) < MIN_SIMILARITY - 0.1


def test_similarity_is_symmetric_and_1_for_the_same_sound() -> None:
    excerpts = [make_excerpt(hit(seed, 0.1 + 0.1 * seed), RATE) for seed in range(4)]
    for first, second in combinations(excerpts, 2):
        assert compute_similarity(first, second) == pytest.approx(compute_similarity(second, first), abs=0.02)
        assert compute_similarity(first, first) == pytest.approx(1, abs=1e-3)


@pytest.mark.parametrize("frames", [1, 2, 3, 10, 100])
@pytest.mark.parametrize("value", [0.0, 1e-30, 1.0])
def test_very_short_and_quiet_sounds_raise_no_error(frames: int, value: float) -> None:
    tiny = make_excerpt(np.full((1, frames), value, np.float32), RATE)
    fingerprint = compute_fingerprint(tiny)
    assert fingerprint.shape == (FINGERPRINT_SIZE,) and np.isfinite(fingerprint).all()
    assert 0 <= compute_similarity(tiny, make_excerpt(hit(1), RATE)) < MIN_SIMILARITY


def test_candidate_pairs_do_not_depend_on_blocks() -> None:
    fingerprints = [compute_fingerprint(make_excerpt(hit(seed % 40, 0.05), RATE)) for seed in range(80)]
    many = np.concatenate([np.stack(fingerprints)] * 10)
    pairs = set(find_candidate_pairs(many))
    assert {(i, j) for i, j in combinations(range(len(many)), 2) if i % 40 == j % 40} <= pairs
    assert all(i < j for i, j in pairs)


@pytest.fixture(scope="module")
def real(real_library_folder: Path) -> list[tuple[dict[str, str], Audio, int]]:
    """Return the label rows of real recordings, with their audio [channels, frames] and sample rate."""
    with (real_library_folder / "library.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    sounds = []
    for row in rows:
        try:
            sounds.append((row, *read_sound(real_library_folder / row["path"])))
        except AssetError:
            continue
    return sounds


@pytest.mark.long
def test_planted_copies_of_real_files_are_found(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    order = np.random.default_rng(11).permutation(len(real))[:100]
    missed, planted = [], 0
    for number, index in enumerate(order):
        row, audio, rate = real[index]
        original = make_excerpt(audio, rate)
        # Each file gets a third of the alterations, in turn.
        for description, alteration in list(ALTERATIONS.items())[number % 3 :: 3]:
            planted += 1
            if not are_copies(original, excerpt_of(decode_sound(alteration(audio, rate), row["path"]))):
                missed.append((description, row["path"]))
    assert len(missed) <= 0.02 * planted, missed


@pytest.mark.long
def test_real_sounds_of_different_kits_are_seldom_joined(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    """Count pairs joined through other sounds too. Most are one recording: see docs/lab/near-duplicates.md."""
    excerpts = [make_excerpt(audio, rate) for _, audio, rate in real]
    kits = [row["kit"] for row, *_ in real]
    union_find = UnionFind(len(real))
    for i, j in find_candidate_pairs(np.stack([compute_fingerprint(excerpt) for excerpt in excerpts])):
        is_joined = union_find.find(i) == union_find.find(j)
        if not is_joined and compute_similarity(excerpts[i], excerpts[j]) >= MIN_SIMILARITY:
            union_find.union(i, j)
    joined = sum(kits[i] != kits[j] for copies in union_find.sets() for i, j in combinations(copies, 2))
    across = sum(first != second for first, second in combinations(kits, 2))
    assert joined <= 0.01 * across, f"{joined} of {across} pairs"


@pytest.mark.slow
def test_velocity_layers_of_a_real_drum_stay_apart(real: list[tuple[dict[str, str], Audio, int]]) -> None:
    """Round robins and velocity layers are different hits of one drum, recorded one after the other."""
    names = ("PearlKick", "frankensnare-14", "Softest", "sn_vl1", "sn_vl2", "sn_vl3")
    hits = [make_excerpt(audio, rate) for row, audio, rate in real if any(name in row["path"] for name in names)]
    if len(hits) < 10:
        pytest.skip("no velocity layers among the real recordings")
    pairs = list(combinations(hits[:: max(1, len(hits) // 40)], 2))
    joined = sum(compute_similarity(*pair) >= MIN_SIMILARITY for pair in pairs)
    assert joined <= 0.02 * len(pairs), f"{joined} of {len(pairs)} pairs"
