"""Laws of the parts of the fused engine: vectors, mathematical functions, levels, compiled files."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from rmod_pipeline.audio import Audio, Pcm, peak, rms, to_channels, to_pcm
from rmod_pipeline.effects.engines.fused import dynamics, levels, vectors
from rmod_pipeline.effects.engines.fused.rows import Channel, RowPool, find_rms, make_channels, mix_audio
from rmod_pipeline.effects.engines.fused.vectors import LANES
from rmod_pipeline.render.measure import NUMPY_METER, open_meter

FLOATS = st.floats(2.0**-100, 2.0**100, width=32)


@njit
def run_logarithm(source: Any, to: Any) -> None:
    vectors.store(to, dynamics.log2(vectors.load(source)))


@njit
def run_power(source: Any, to: Any) -> None:
    vectors.store(to, dynamics.exp2(vectors.load(source)))


@njit
def run_transpose(source: Any, to: Any) -> None:
    columns = vectors.transpose(
        (
            vectors.load(source),
            vectors.load(source + 32),
            vectors.load(source + 64),
            vectors.load(source + 96),
            vectors.load(source + 128),
            vectors.load(source + 160),
            vectors.load(source + 192),
            vectors.load(source + 224),
        )
    )
    for index in range(8):
        vectors.store(to + 32 * index, columns[index])


def call(kernel: Any, values: Audio) -> Audio:
    """Return what a kernel makes of an array; both have the same size."""
    source, to = np.ascontiguousarray(values, np.float32), np.zeros(values.size, np.float32)
    kernel(source.ctypes.data, to.ctypes.data)
    return to


@given(st.lists(FLOATS, min_size=LANES, max_size=LANES))
def test_the_logarithm_is_that_of_the_library(values: list[float]) -> None:
    found = call(run_logarithm, np.array(values, np.float32))
    expected = [math.log2(float(np.float32(value))) for value in values]
    np.testing.assert_allclose(found, expected, rtol=3e-7, atol=3e-7)


@given(st.lists(st.floats(-120, 120, width=32), min_size=LANES, max_size=LANES))
def test_the_power_is_that_of_the_library(values: list[float]) -> None:
    found = call(run_power, np.array(values, np.float32))
    np.testing.assert_allclose(found, [2.0 ** float(np.float32(value)) for value in values], rtol=3e-7)


def test_rows_become_columns() -> None:
    values = np.arange(64, dtype=np.float32)
    assert np.array_equal(call(run_transpose, values).reshape(8, 8), values.reshape(8, 8).T)


@settings(max_examples=30)
@given(st.integers(1, 5000), st.integers(0, 2**31), st.floats(0.001, 3))
def test_levels_are_those_of_numpy(frames: int, seed: int, gain: float) -> None:
    audio = (gain * np.random.default_rng(seed).standard_normal((2, frames))).astype(np.float32)
    assert levels.measure_peak_and_rms(audio) == pytest.approx((peak(audio), rms(audio)), rel=1e-5)
    pcm = levels.convert_to_pcm(audio)
    assert np.array_equal(pcm, to_pcm(audio))
    expected = NUMPY_METER.measure_pcm(np.tile(pcm, 22_050 // frames + 1), 44_100)
    found = open_meter("fused").measure_pcm(np.tile(pcm, 22_050 // frames + 1), 44_100)
    for name in expected.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5, abs=2e-3), name
    start, end = sorted((seed % frames, (seed // 7) % (frames + 50)))
    expected_rms = rms(to_channels(audio[:, start:end], 1))
    assert levels.measure_mono_rms(audio, start, end) == pytest.approx(expected_rms, rel=1e-5, abs=1e-9)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_loudness_is_that_of_pyloudnorm(rate: int) -> None:
    draw = np.random.default_rng(rate)
    for seconds in (0.4, 0.41, 1.0, 2.37):
        fade = np.linspace(0, 1, round(seconds * rate)) ** 3
        pcm: Pcm = (8000 * draw.standard_normal((2, fade.size)) * fade).clip(-32767, 32767).astype(np.int16)
        expected, found = (meter.measure_pcm(pcm, rate).lufs for meter in (NUMPY_METER, open_meter("fused")))
        assert found == pytest.approx(expected, abs=0.0011)
    assert open_meter("fused").measure_pcm(np.zeros_like(pcm), rate).lufs == -120.0


def test_channels_that_share_a_row_are_mixed_and_measured_as_two() -> None:
    pool = RowPool(1000)
    (channel,) = make_channels(np.linspace(-1, 1, 1000, dtype=np.float32)[None], pool)
    channels = (channel.times(0.25), channel.times(0.75))
    audio = mix_audio([channels], pool)
    assert audio.shape == (2, 1000)
    assert find_rms(channels) == pytest.approx(rms(audio), rel=1e-6)
    assert max(each.peak for each in channels) == pytest.approx(peak(audio))


def test_a_row_that_nobody_needs_is_used_again() -> None:
    pool = RowPool(100)
    row = pool.take()
    address = row.address
    channel = Channel(row)
    del row
    assert pool.take().address != address
    del channel
    assert pool.take().address == address


CALL = """
import logging, sys
logging.basicConfig(level=logging.WARNING)
import numpy as np
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.engines.fused.engine import apply_one
from rmod_pipeline.effects.engines.fused.compiled import kernels_folder
audio = np.linspace(-1, 1, 3000, dtype=np.float32)[None]
print(apply_one(audio, Filter(passes="low", hz=100.0), 44100).sum(), kernels_folder())
"""


def call_with_cache(folder: Path) -> subprocess.CompletedProcess[str]:
    """Apply a filter in another process, with a cache folder."""
    environment = {**os.environ, "RMOD_CACHE": str(folder)}
    return subprocess.run([sys.executable, "-c", CALL], env=environment, text=True, capture_output=True, check=False)


@pytest.mark.long
def test_kernels_are_compiled_again_where_a_file_is_damaged_or_none_can_be_written(tmp_path: Path) -> None:
    first = call_with_cache(tmp_path / "cache")
    assert first.returncode == 0, first.stderr
    folder = Path(first.stdout.split()[1])
    files = [path for path in folder.rglob("*") if path.is_file()]
    assert files
    for path in files:
        path.write_bytes(b"damaged")
    (tmp_path / "file").write_text("no folder")
    for cache in (tmp_path / "cache", tmp_path / "file"):
        again = call_with_cache(cache)
        assert again.returncode == 0, again.stderr
        assert again.stdout.split()[0] == first.stdout.split()[0]
