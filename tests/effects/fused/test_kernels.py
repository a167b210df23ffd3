"""Laws of the parts of the fused engine: vectors, mathematical functions, levels, compiled files."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np
import pyloudnorm
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numba import njit

from rmod_pipeline.audio import Audio, Pcm, make_room, make_silence, padded_frames, peak, rms, to_channels, to_pcm
from rmod_pipeline.effects.engines.fused import levels
from rmod_pipeline.effects.engines.fused.calls import compress_all, echo_row, filter_all, limit_all
from rmod_pipeline.effects.engines.fused.kernels import dynamics, memory, vectors
from rmod_pipeline.effects.engines.fused.kernels.layout import LANES, VECTOR_FLOATS
from rmod_pipeline.effects.engines.fused.rows import (
    Channel,
    RowPool,
    TrackSum,
    find_rms,
    make_audio,
    make_channels,
    mix_audio,
    sum_all,
)
from rmod_pipeline.effects.engines.fused.steps import Compression, Echoing, Filtering, Limiting, Section
from rmod_pipeline.render.measure import NUMPY_METER, open_meter

FLOATS = st.floats(2.0**-100, 2.0**100, width=32)


@njit
def run_logarithm(source: Any, to: Any) -> None:
    memory.store(to, dynamics.log2(memory.load_lanes(source)))


@njit
def run_power(source: Any, to: Any) -> None:
    memory.store(to, dynamics.exp2(memory.load_lanes(source)))


@njit
def run_transpose(source: Any, to: Any) -> None:
    columns = vectors.transpose(
        (
            memory.load(source),
            memory.load(source + 32),
            memory.load(source + 64),
            memory.load(source + 96),
            memory.load(source + 128),
            memory.load(source + 160),
            memory.load(source + 192),
            memory.load(source + 224),
        )
    )
    for index in range(8):
        memory.store(to + 32 * index, columns[index])


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
    pcm = levels.convert_to_pcm(audio)
    assert np.array_equal(pcm, to_pcm(audio))
    expected, found = NUMPY_METER.levels(pcm), open_meter("fused").levels(pcm)
    for name in expected.__slots__:
        assert getattr(found, name) == pytest.approx(getattr(expected, name), rel=1e-5, abs=2e-3), name


@settings(max_examples=30)
@given(st.integers(1, 5000), st.integers(0, 2**31), st.integers(1, 4), st.integers(1, 3), st.booleans())
def test_sums_of_tracks_are_those_of_numpy(frames: int, seed: int, tracks: int, parts: int, keeps: bool) -> None:
    draw = np.random.default_rng(seed)
    pool = RowPool(frames)
    gains = draw.uniform(-2, 2, (tracks, parts, 2))
    audio = draw.standard_normal((tracks, parts, 2, frames)).astype(np.float32)
    added = []
    for track, several in zip(audio, gains, strict=True):
        channels = [
            tuple(each.times(float(gain)) for each, gain in zip(make_channels(part, pool), both, strict=True))
            for part, both in zip(track, several, strict=True)
        ]
        for part in channels:
            part[0].row.samples[frames:] = np.nan  # what is after the audio does not count
        added.append(TrackSum(channels, make_audio(2, pool) if keeps else None))
    total = sum_all(added, pool)
    sums = (audio * gains[..., None].astype(np.float32)).sum(axis=1)
    for found, expected in zip(added, sums, strict=True):
        assert found.peak_and_rms() == pytest.approx((peak(expected), rms(expected)), rel=1e-4)
        starts = [seed % frames, seed // 7 % frames, frames - 1, frames, frames + 10]
        wanted = [rms(to_channels(expected[:, start : start + 1000], 1)) for start in starts]
        assert found.mono_rms(starts, 1000) == pytest.approx(wanted, rel=1e-4, abs=1e-6)
        assert (found.audio is not None) == keeps
        if found.audio is not None:
            np.testing.assert_allclose(found.audio, expected, atol=1e-5)
    for channel, expected_row in zip(total, sums.sum(axis=0), strict=True):
        np.testing.assert_allclose(channel.row.samples[:frames], expected_row, atol=2e-5)
        assert not channel.row.samples[frames:].any()


def test_a_conversion_says_whether_all_frames_are_finite() -> None:
    pool = RowPool(1000)
    audio = np.linspace(-2, 2, 2000, dtype=np.float32).reshape(2, 1000)
    pcm, finite = levels.convert_channels(make_channels(audio, pool))
    assert (np.array_equal(pcm, to_pcm(audio)), finite) == (True, True)
    for value in (np.nan, np.inf, -np.inf):
        broken = audio.copy()
        broken[1, 17] = value
        assert not levels.convert_channels(make_channels(broken, pool))[1]


@pytest.mark.parametrize("rate", [8000, 44_100, 192_000])
def test_the_k_weighting_is_that_of_pyloudnorm(rate: int) -> None:
    stages = pyloudnorm.Meter(rate)._filters.values()
    expected = np.array([[*stage.b, *stage.a[1:]] for stage in stages])
    for lane in range(VECTOR_FLOATS):
        np.testing.assert_allclose(levels._k_weighting(rate)[..., lane], expected, rtol=1e-13)


@pytest.mark.parametrize("rate", [8000, 11_025, 44_100, 48_000, 192_000])
def test_loudness_is_that_of_pyloudnorm_whatever_is_measured_beside_it(rate: int) -> None:
    draw = np.random.default_rng(rate)
    for seconds in (0.4, 0.41, 1.0, 2.37):
        fade = np.linspace(0, 1, round(seconds * rate)) ** 3
        pcms: list[Pcm] = [
            (amplitude * draw.standard_normal((2, fade.size)) * fade).clip(-32767, 32767).astype(np.int16)
            for amplitude in (8000, 0, 30_000, 20, 500)
        ]
        expected, found = (meter.loudness(pcms, rate) for meter in (NUMPY_METER, open_meter("fused")))
        assert found == pytest.approx(expected, abs=0.0011)
        assert found == [open_meter("fused").loudness([pcm], rate)[0] for pcm in pcms]
        assert found[1] == -120.0


def test_channels_that_share_a_row_are_mixed_and_measured_as_two() -> None:
    pool = RowPool(1000)
    (channel,) = make_channels(np.linspace(-1, 1, 1000, dtype=np.float32)[None], pool)
    channels = (channel.times(0.25), channel.times(0.75))
    audio = mix_audio([channels], pool)
    assert audio.shape == (2, 1000)
    assert find_rms(channels) == pytest.approx(rms(audio), rel=1e-6)
    assert max(each.peak for each in channels) == pytest.approx(peak(audio))


def test_a_pool_that_nobody_needs_is_freed_at_once() -> None:
    pool = RowPool(1000)
    row, freed = pool.take(), weakref.ref(pool)
    echo_row(pool.silence, Echoing(10, 0.5), pool)
    del row, pool
    assert freed() is None


def test_audio_in_any_order_of_memory_is_converted_alike() -> None:
    audio = np.random.default_rng(0).uniform(-1, 1, (2, 1000)).astype(np.float32)
    expected = levels.convert_to_pcm(audio)
    others: tuple[Any, ...] = (np.asfortranarray(audio), audio.astype(np.float64), np.repeat(audio, 2, axis=1)[:, ::2])
    for other in others:
        assert np.array_equal(levels.convert_to_pcm(other), expected)
    transposed = np.asfortranarray(expected)
    assert levels.measure_samples(transposed) == levels.measure_samples(expected)


@settings(max_examples=30, deadline=None)
@given(st.integers(1, 4000), st.integers(1, 2 * LANES + 1), st.integers(0, 2**31))
def test_levels_that_kernels_measure_on_the_way_are_those_of_the_finished_rows_also_in_place(
    frames: int, count: int, seed: int
) -> None:
    pool, draw = RowPool(frames), np.random.default_rng(seed)
    channels = make_channels(draw.standard_normal((count, frames)).astype(np.float32), pool)
    section, compression = Section(0.9, -0.3, 0.1, -0.5, 0.2), Compression(0.1, -0.5, 0.9, 0.99)
    calls: list[tuple[Any, Any]] = [(filter_all, Filtering((section,) * number)) for number in (1, 3, 4)]
    calls += [(compress_all, compression), (limit_all, Limiting(compression, compression, 2))]
    for call_all, step in calls:
        apart = call_all(channels, [step] * count, [pool.take() for _ in channels], pool, measures=True)
        copies = make_channels(np.stack([channel.row.samples[:frames] for channel in channels]), pool)
        in_place = call_all(copies, [step] * count, [copy.row for copy in copies], pool, measures=True)
        for row, same in zip(apart, in_place, strict=True):
            assert np.array_equal(row.samples[:frames], same.samples[:frames])
            found, row.levels = row.levels, None
            assert found == same.levels == (row.squares, row.peak)
        call_all(copies, [step] * count, [copy.row for copy in copies], pool, measures=False)
        assert in_place[0].levels is None, "these are the levels of what was there before"


@given(st.sampled_from([make_silence, make_room]), st.integers(1, 2), st.integers(1, 3000))
def test_audio_that_was_made_in_rows_is_held_without_a_copy_and_stays_as_it_is(
    make: Callable[[int, int], Audio], count: int, frames: int
) -> None:
    pool, audio = RowPool(frames), make(count, frames)
    audio[:] = np.arange(frames)
    assert audio.shape == (count, frames)
    channels = make_channels(audio, pool)
    assert [channel.row.address for channel in channels] == [channel.ctypes.data for channel in audio]
    assert all(channel.row.samples.size == padded_frames(frames) for channel in channels)
    assert not any(channel.row.samples[frames:].any() for channel in channels)
    assert all(channel.row.address % 64 == 0 for channel in channels)
    del channels
    assert not pool.free
    # What is heard after the frames, or is another layout, is copied.
    for other in (make_silence(count, frames + 5)[:, 2:-3], np.repeat(audio, 2, axis=1)[:, ::2], audio.copy()):
        other[:] = audio
        beyond = np.ones(count * padded_frames(frames) * 2 + 64, np.float32)[5 : 5 + frames]
        for each in (*make_channels(other, pool), *make_channels(beyond[None], pool)):
            assert each.row.address not in (channel.ctypes.data for channel in (*other, beyond))
            assert not each.row.samples[frames:].any()


def test_a_row_that_nobody_needs_is_used_again() -> None:
    pool = RowPool(100)
    row = pool.take()
    address = row.address
    channel = Channel(row)
    del row
    assert pool.take().address != address
    del channel
    assert pool.take().address == address
