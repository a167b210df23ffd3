"""Layouts and level measures of audio arrays."""

from __future__ import annotations

import math
import platform

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from rmod_pipeline.audio import (
    SILENCE_DB,
    db_to_gain,
    from_pcm,
    gain_to_db,
    peak,
    processor_family,
    rms,
    to_channels,
    to_pcm,
)

audio = arrays(
    np.float32,
    st.tuples(st.integers(1, 2), st.integers(0, 3000)),
    elements=st.floats(-1.5, 1.5, width=32),
    fill=st.floats(-1.5, 1.5, width=32),
)


@given(st.floats(-119, 60))
def test_db_and_gain_are_inverse(level: float) -> None:
    assert gain_to_db(db_to_gain(level)) == pytest.approx(level, abs=1e-9)


def test_silence_has_a_level_that_survives_json() -> None:
    assert gain_to_db(0.0) == gain_to_db(1e-30) == SILENCE_DB


def test_rms_of_a_full_scale_sine() -> None:
    sine = np.sin(2 * np.pi * np.arange(44_100) / 441, dtype=np.float64).astype(np.float32)[None]
    assert rms(sine) == pytest.approx(1 / math.sqrt(2), rel=1e-6)
    assert rms(np.concatenate([sine, 0 * sine])) == pytest.approx(0.5, rel=1e-6)


@given(audio)
def test_rms_agrees_with_its_definition(sound: np.ndarray) -> None:
    expected = math.sqrt(np.mean(sound.astype(np.float64) ** 2)) if sound.size else 0.0
    assert rms(sound) == pytest.approx(expected, rel=1e-5, abs=1e-20)
    assert peak(sound) == (np.abs(sound).max() if sound.size else 0.0)


def test_rms_of_a_view_equals_that_of_its_copy() -> None:
    noise = np.random.default_rng(0).standard_normal((2, 20_000)).astype(np.float32)
    assert rms(noise[:, ::3]) == rms(noise[:, ::3].copy())


def test_channels() -> None:
    mono = np.array([[1.0, 2.0]], np.float32)
    stereo = to_channels(mono, 2)
    assert stereo.tolist() == [[1, 2], [1, 2]]
    assert to_channels(stereo, 2) is stereo
    assert to_channels(np.array([[1, 2], [3, 0]], np.float32), 1).tolist() == [[2, 1]]


@given(audio)
def test_pcm_is_within_half_a_step(sound: np.ndarray) -> None:
    pcm = to_pcm(sound)
    assert pcm.dtype == np.int16
    assert np.abs(from_pcm(pcm) - np.clip(sound, -1, 1)).max(initial=0) <= 0.5 / 32767 + 1e-7


@given(arrays(np.int16, st.tuples(st.just(2), st.integers(0, 200)), elements=st.integers(-32767, 32767)))
def test_pcm_survives_a_round_trip(pcm: np.ndarray) -> None:
    assert np.array_equal(to_pcm(from_pcm(pcm)), pcm)


@given(audio)
def test_a_polarity_flip_stays_exact_in_pcm(sound: np.ndarray) -> None:
    assert np.array_equal(to_pcm(-sound), -to_pcm(sound))


@pytest.mark.parametrize(
    ("extensions", "level"),
    [
        ({"baseline": ["X86_V2"], "found": ["X86_V3"]}, " X86_V3"),
        ({"baseline": ["X86_V2"], "not found": ["X86_V3"]}, " X86_V2"),
        ({"found": ["ASIMDHP"]}, ""),
        ({}, ""),
    ],
)
def test_any_processor_has_a_family(
    extensions: dict[str, list[str]], level: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(np, "show_config", lambda mode: {"SIMD Extensions": extensions})
    assert processor_family.__wrapped__() == f"{platform.machine()} {platform.system()}{level}"
