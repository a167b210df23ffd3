"""Silence and onset are judged in mono and without a constant offset."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import REST_FRAMES, Audio, find_offset, remove_offset
from rmod_pipeline.library.audio_fingerprint import compute_similarity, make_excerpt
from rmod_pipeline.library.read import find_onset, trim_leading_silence
from rmod_pipeline.library.scanning.measure import MeasuredFile, MeasureTask, measure_file
from tests.library.library_sounds import RATE, hit, write_sound
from tests.library.scan_helpers import drop_reasons, scan

SILENCES = st.just(0) | st.integers(REST_FRAMES, 20_000)
OFFSETS = st.floats(0.002, 0.9).flatmap(lambda size: st.sampled_from([size, -size]))


def late_hit(seed: int, silence: int, channels: int = 1) -> Audio:
    return np.pad(hit(seed, 0.2, channels=channels), ((0, 0), (silence, 0)))


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 20), silence=SILENCES, offset=OFFSETS, channels=st.integers(1, 2))
def test_an_offset_moves_no_onset(seed: int, silence: int, offset: float, channels: int) -> None:
    sound = late_hit(seed, silence, channels)
    shifted = sound + np.float32(offset)
    assert find_onset(shifted) == find_onset(sound)
    if silence:
        assert np.allclose(trim_leading_silence(shifted), trim_leading_silence(sound), atol=1e-6)


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 20), silence=st.integers(0, 20_000), channels=st.integers(1, 2))
def test_a_sound_without_an_offset_is_unchanged(seed: int, silence: int, channels: int) -> None:
    sound = late_hit(seed, silence, channels)
    assert remove_offset(sound) is sound
    assert np.shares_memory(trim_leading_silence(sound), sound)


@pytest.mark.parametrize("hz", [25, 60, 110, 172, 440])
@pytest.mark.parametrize("decay", [0.0, 4.0, 40.0])
@pytest.mark.parametrize("wave", ["square", "sine", "cosine"])
def test_a_wave_that_begins_at_once_has_no_offset(hz: int, decay: float, wave: str) -> None:
    time = np.arange(RATE // 2) / RATE
    phase = 2 * np.pi * hz * time
    shape = {"square": np.sign(np.sin(phase) + 1e-9), "sine": np.sin(phase), "cosine": np.cos(phase)}[wave]
    sound = (0.8 * shape * np.exp(-decay * time)).astype(np.float32)[None]
    assert not find_offset(sound).any() and find_onset(sound) < 40


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 20), lead=st.integers(REST_FRAMES, 9000), gain=st.floats(0.01, 0.5))
def test_a_beginning_that_cancels_in_mono_is_left_out(seed: int, lead: int, gain: float) -> None:
    noise = gain * np.random.default_rng(seed).uniform(-1, 1, lead).astype(np.float32)
    begin = np.stack([noise, -noise])
    sound = np.concatenate([begin, hit(seed, 0.1, channels=2)], axis=1)
    onset = find_onset(hit(seed, 0.1, channels=2).mean(axis=0, keepdims=True))
    assert find_onset(sound) == lead + onset


def measure(path: Path, audio: Audio) -> MeasuredFile:
    result = measure_file(MeasureTask(write_sound(path, audio, subtype="FLOAT"), 10.0))
    assert isinstance(result, MeasuredFile)
    return result


def test_the_scan_drops_what_is_silent_in_mono_or_without_its_offset(tmp_path: Path) -> None:
    sound = hit(1)
    pulse = np.zeros((1, RATE // 2), np.float32)
    pulse[0, -40:] = 0.9
    sounds = {
        "cancels": np.concatenate([sound, -sound]),
        "nearly cancels": np.concatenate([sound, -0.999 * sound]),
        "faint on an offset": 0.5 + np.pad(2e-4 * sound, ((0, 0), (5000, 0))),
        "different offsets": np.repeat(np.array([[0.5], [-0.2]], np.float32), RATE // 2, axis=1),
        "one millisecond at the end": pulse,
        "one side": np.concatenate([sound, np.zeros_like(sound)]),
        "wide": hit(2, channels=2),
        "late on an offset": 0.1 + np.pad(sound, ((0, 0), (5000, 0))),
    }
    for name, audio in sounds.items():
        write_sound(tmp_path / "kick" / f"{name}.wav", audio, subtype="FLOAT")
    reasons = drop_reasons(scan(tmp_path))
    expected = {
        "cancels": "silent in mono",
        "nearly cancels": "silent in mono",
        "faint on an offset": "silent: peak -7",
        "different offsets": "silent: peak -120",
        "one millisecond at the end": "too short: 40 frames",
    }
    assert {path: reason[: len(expected[Path(path).stem])] for path, reason in reasons.items()} == {
        f"kick/{name}.wav": reason for name, reason in expected.items()
    }


def test_levels_in_the_manifest_are_those_without_the_offset(tmp_path: Path) -> None:
    sound = np.pad(hit(1), ((0, 0), (1000, 0)))
    plain, shifted = measure(tmp_path / "a.wav", sound), measure(tmp_path / "b.wav", sound + np.float32(0.15))
    assert (shifted.peak_dbfs, shifted.rms_dbfs) == pytest.approx((plain.peak_dbfs, plain.rms_dbfs), abs=0.011)
    assert shifted.onset == plain.onset


def test_a_copy_with_an_offset_is_a_copy() -> None:
    sound = np.pad(hit(1), ((0, 0), (1000, 0)))
    assert compute_similarity(make_excerpt(sound, RATE), make_excerpt(sound + np.float32(0.3), RATE)) > 0.99
