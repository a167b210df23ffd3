"""Systems: what each answers, cut hits, separation without weights, stems, and what is remembered."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import AssetError
from rmod_pipeline.evaluation.systems.base import Mixture, MixtureMemory, RememberedSystem, System
from rmod_pipeline.evaluation.systems.separation import (
    BANDS,
    NoSeparation,
    PercussiveSeparation,
    StemSeparation,
    compute_percussive_part,
    make_band_mask,
)
from rmod_pipeline.evaluation.systems.slicing import (
    SlicingSystem,
    choose_hit,
    cut_hit,
    known_onsets,
    refine_onset,
)
from rmod_pipeline.evaluation.systems.training_sounds import AnotherPairSystem, SilentSystem, window_samples

RATE = 44_100


def make_mixture(audio: Any, key: str = "test-00000000", **onsets: Sequence[int]) -> Mixture:
    times = {kind: tuple(several) for kind, several in onsets.items()}
    return Mixture(key=key, audio=np.asarray(audio, np.float32), sample_rate=RATE, onsets=times)


class Counting(System):
    """A system that answers with the number of the call."""

    def __init__(self) -> None:
        self.calls = 0

    def extract(self, mixture: Mixture, kind: str) -> Any:
        self.calls += 1
        return np.full(1, self.calls, np.float32)


def test_another_pair_gets_the_answer_to_the_one_before() -> None:
    mixtures = [make_mixture(np.zeros(8), f"test-{number:08d}") for number in range(4)]
    remembered = RememberedSystem(Counting())
    own = [float(answer[0]) for answer in remembered.extract_all(mixtures, "kick") if answer is not None]
    others = AnotherPairSystem(remembered).extract_all(mixtures, "kick")
    assert [float(answer[0]) for answer in others if answer is not None] == [own[-1], *own[:-1]]
    assert remembered.system.calls == 4, "the same mixtures are not answered again"  # type: ignore[attr-defined]
    remembered.extract_all(mixtures, "snare")
    assert remembered.system.calls == 8  # type: ignore[attr-defined]


def test_what_is_remembered_of_mixtures_is_bounded() -> None:
    asked: list[str] = []

    def compute(mixture: Mixture) -> str:
        asked.append(mixture.key)
        return mixture.key

    memory = MixtureMemory(compute)
    keys = [f"test-{number:08d}" for number in range(40)]
    assert [memory(make_mixture(np.zeros(1), key)) for key in keys + keys[-5:]] == keys + keys[-5:]
    assert asked == keys
    memory(make_mixture(np.zeros(1), keys[0]))
    assert asked[-1] == keys[0], "the oldest is forgotten"


@given(
    st.lists(st.integers(0, 9_000), min_size=1, max_size=6, unique=True), st.lists(st.integers(0, 9_000), max_size=6)
)
def test_the_hit_that_is_alone_for_longest_is_chosen(own: list[int], others: list[int]) -> None:
    start, end = choose_hit({"kick": own, "snare": others}, "kick", 10_000, 1_000)
    assert start in own
    assert end == min((onset for onset in own if onset > start), default=10_000)

    def alone(first: int) -> int:
        last = min((onset for onset in own if onset > first), default=10_000)
        if any(first - 20 < onset < min(first + 20, last) for onset in others):
            return 0
        return min((onset for onset in others if first <= onset < last), default=last) - first

    assert alone(start) == max(alone(each) for each in own)


def test_a_hit_is_cut_at_the_next_with_a_fade() -> None:
    signal = np.ones(RATE, np.float32)
    hit = cut_hit(signal, 100, 2_100, RATE, RATE)
    assert hit.size == 2_000
    assert hit[0] == 1
    assert hit[-1] == 0
    assert cut_hit(signal, 100, RATE, 500, RATE).size == 500
    assert signal.all(), "the signal is not changed"


@given(st.integers(3_000, 20_000), st.integers(-900, 900))
def test_a_rough_onset_is_moved_to_the_attack(onset: int, error: int) -> None:
    signal = np.zeros(30_000, np.float32)
    signal[onset:] = np.random.default_rng(0).standard_normal(30_000 - onset) * 0.5
    assert abs(refine_onset(signal, onset + error, RATE) - onset) <= 128


@pytest.mark.parametrize("kind", BANDS)
def test_a_band_keeps_its_frequencies_and_no_others(kind: str) -> None:
    low, high = BANDS[kind]
    hz = np.geomspace(5, 22_050, 500)
    mask = make_band_mask(hz, low, high)
    assert (mask >= 0).all()
    assert (mask <= 1).all()
    assert mask[(hz >= low) & (hz <= high)].min() > 0.999
    assert mask[(hz < low / 1.5) | (hz > high * 1.5)].max(initial=0) < 1e-6
    assert (np.diff(mask[hz < low]) >= 0).all()


def test_the_percussive_part_keeps_a_click_and_loses_a_tone() -> None:
    time = np.arange(2 * RATE) / RATE
    tone = 0.3 * np.sin(2 * np.pi * 3_000 * time)
    click = np.zeros_like(time)
    click[RATE : RATE + 300] = np.random.default_rng(0).standard_normal(300) * 0.3
    separation = PercussiveSeparation(False, MixtureMemory(compute_percussive_part))
    part = separation.separate(make_mixture(tone + click), "snare")
    assert part is not None
    assert part.size == tone.size
    inside = slice(RATE // 2, RATE - 2_048)
    assert np.square(part[inside]).mean() < 0.01 * np.square(tone[inside]).mean()
    assert np.square(part[RATE : RATE + 300]).sum() > 0.5 * np.square(click).sum()


def test_a_known_hit_that_is_alone_is_the_one_shot() -> None:
    kick = np.random.default_rng(1).standard_normal(4_000).astype(np.float32) * 0.2
    audio = np.zeros(RATE, np.float32)
    audio[5_000:9_000] = audio[25_000:29_000] = kick
    audio[26_000:27_000] += 0.5  # another drum upon the second kick
    system = SlicingSystem(NoSeparation(), known_onsets, refines=False)
    hit = system.extract(make_mixture(audio, kick=(5_000, 25_000), snare=(26_000,)), "kick")
    assert hit is not None
    np.testing.assert_array_equal(hit[:4_000], kick)
    assert system.extract(make_mixture(audio, snare=(26_000,)), "kick") is None, "no hit is known"


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        ("KEY.kick.wav", "kick"),
        ("kick/KEY.flac", "kick"),
        ("KEY/kick.wav", "kick"),
        ("hh/KEY.wav", "hihat"),
        ("KEY.mix/drums.wav", "snare"),
        ("drums/KEY.mix.wav", "snare"),
        ("KEY/drums.flac", "kick"),
    ],
)
def test_stems_are_found_by_the_names_of_separation_programs(name: str, kind: str, tmp_path: Path) -> None:
    key = "test-00000007"
    path = tmp_path / name.replace("KEY", key)
    path.parent.mkdir(parents=True, exist_ok=True)
    stem = np.random.default_rng(0).standard_normal((RATE // 2, 2)).astype(np.float32) * 0.1
    soundfile.write(path, stem, RATE // 2)
    separation = StemSeparation(tmp_path)
    found = separation.separate(make_mixture(np.zeros(RATE), key), kind)
    assert found is not None
    assert found.size == RATE, "resampled and as long as the mixture"
    assert found.any()
    assert separation.separate(make_mixture(np.zeros(RATE), "test-00000008"), kind) is None


def test_a_stem_of_another_length_is_refused(tmp_path: Path) -> None:
    soundfile.write(tmp_path / "test-00000000.drums.wav", np.zeros(1_000, np.float32), RATE)
    with pytest.raises(AssetError, match=r"0\.02 s, the mixture has 1\.00 s"):
        StemSeparation(tmp_path).separate(make_mixture(np.zeros(RATE)), "kick")


def test_silence_fills_the_window_of_its_kind() -> None:
    silence = SilentSystem().extract(make_mixture(np.zeros(8)), "hihat")
    assert silence is not None
    assert not silence.any()
    assert silence.size == window_samples("hihat", RATE) == 40 * 512
