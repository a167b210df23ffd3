"""Laws of the measure of real songs: true sounds explain most, and the more is played over them, the less."""

from __future__ import annotations

import numpy as np
import pytest

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.evaluation.song_fit import SongFit, explain_song

RATE = 22_050
HITS = {
    "kick": [500, 22_000, 44_300, 60_000],
    "snare": [11_000, 33_111, 55_000],
    "hihat": [500, 6_000, 11_000, 17_000, 22_000, 28_000, 33_111, 39_000, 44_300, 50_000, 60_000],
}


def make_one_shots(seed: int) -> dict[str, Mono]:
    random = np.random.default_rng(seed)
    time = np.arange(RATE // 2) / RATE
    noise = random.standard_normal((2, len(time)))
    hz = random.uniform(45, 90)
    kick = np.exp(-time * random.uniform(8, 20)) * np.sin(2 * np.pi * hz * (time + 0.02 * (1 - np.exp(-time * 60))))
    body = np.sin(2 * np.pi * random.uniform(160, 260) * time)
    snare = np.exp(-time * random.uniform(12, 30)) * (0.4 * noise[0] + body)
    hihat = np.exp(-time * random.uniform(30, 90)) * np.diff(noise[1], n=2, append=[0, 0])
    sounds = {"kick": kick, "snare": snare, "hihat": hihat}
    return {kind: (0.5 * sound / np.abs(sound).max()).astype(np.float32) for kind, sound in sounds.items()}


def make_song(one_shots: dict[str, Mono], backing: float = 0.0) -> Mono:
    """Return three seconds of hits at changing gains, and of chords at a level."""
    random = np.random.default_rng(5)
    song = np.zeros(3 * RATE + RATE // 2)
    for kind, onsets in HITS.items():
        for onset in onsets:
            song[onset : onset + len(one_shots[kind])] += random.uniform(0.3, 1) * one_shots[kind]
    time = np.arange(len(song)) / RATE
    chord = sum(np.sin(2 * np.pi * hz * time + hz) for hz in (110, 165, 220, 330, 440, 880, 1760, 3520))
    # Chords change, so that their beginnings are no hits of a drum and still no part of what is sustained.
    chord = chord * (1 + 0.5 * np.sign(np.sin(2 * np.pi * 0.7 * time)))
    return (song[: 3 * RATE] + backing * chord[: 3 * RATE]).astype(np.float32)


def fit(seed: int, backing: float = 0.0) -> SongFit:
    """Return the fit of the sounds of a seed to a song of the sounds of seed 1."""
    return explain_song(make_song(make_one_shots(1), backing), RATE, make_one_shots(seed), HITS)


def test_true_sounds_alone_explain_almost_all() -> None:
    result = fit(1)
    assert result.explained > 0.95
    assert result.hits == {kind: len(onsets) for kind, onsets in HITS.items()}
    assert all(share > 0.01 for share in result.by_kind.values())


def test_other_sounds_explain_less() -> None:
    result = fit(1, backing=0.02)
    assert result.shuffled is not None
    assert result.explained > result.shuffled + 0.1
    others = [fit(seed, backing=0.02).explained for seed in (2, 7, 8)]
    assert result.explained > max(others)
    assert result.explained > np.mean(others) + 0.1


def test_backing_lowers_the_share() -> None:
    shares = [fit(1, backing).explained for backing in (0.0, 0.01, 0.03, 0.1, 0.3)]
    assert shares == sorted(shares, reverse=True)
    assert shares[-1] < shares[0] - 0.2


@pytest.mark.parametrize("gain", [0.01, 0.5, 4.0])
def test_the_level_of_a_sound_or_of_the_song_does_not_matter(gain: float) -> None:
    song, sounds = make_song(make_one_shots(1), 0.03), make_one_shots(1)
    expected = explain_song(song, RATE, sounds, HITS).explained
    louder = {kind: np.float32(gain) * sound for kind, sound in sounds.items()}
    assert explain_song(song, RATE, louder, HITS).explained == pytest.approx(expected, abs=1e-4)
    assert explain_song(np.float32(gain) * song, RATE, sounds, HITS).explained == pytest.approx(expected, abs=1e-4)


def test_a_kind_that_is_not_explained_is_seen() -> None:
    """Another hi-hat lowers what the hi-hat's hits explain, and not what the kick's do."""
    true, mixed = fit(1), make_one_shots(1)
    mixed["hihat"] = make_one_shots(1)["kick"]
    result = explain_song(make_song(make_one_shots(1)), RATE, mixed, HITS)
    assert result.by_kind["hihat"] < 0.5 * true.by_kind["hihat"]


def test_nothing_to_explain_is_no_error() -> None:
    silence, sounds = np.zeros(RATE, np.float32), make_one_shots(1)
    assert explain_song(silence, RATE, sounds, HITS).explained == 0
    no_hits = explain_song(make_song(sounds), RATE, sounds, {})
    assert (no_hits.explained, no_hits.by_kind, no_hits.shuffled) == (0, {}, None)
    muted = {kind: np.zeros_like(sound) for kind, sound in sounds.items()}
    assert explain_song(make_song(sounds), RATE, muted, HITS).explained == 0
    beyond = explain_song(make_song(sounds), RATE, sounds, {"kick": [10 * RATE, -5]})
    assert beyond.hits == {}
