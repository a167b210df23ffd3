"""The recorded levels agree with independent computations, and lead to the right rejects."""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from rmod_pipeline.audio import Pcm, to_pcm
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.library.asset import Library
from rmod_pipeline.pipeline.judge import Reject, judge
from rmod_pipeline.recipe import RejectLimits, find_recipe, load_recipe
from rmod_pipeline.render import PairLevels, Sounds, render_pair
from rmod_pipeline.render.measure import AudioLevels, measure_audibility, measure_mix, measure_target
from rmod_pipeline.spec import Note
from tests.render.render_examples import RATE, SETTINGS, compose, drum, loop, noise, spec_of

DB = 2e-3
"""Tolerance of recorded levels, which have three decimals."""


def db(power: float) -> float:
    return 10 * math.log10(power)


def lufs_by_hand(samples: NDArray[np.float64]) -> float:
    """Return the integrated loudness of [2, frames] at 44.1 kHz after ITU-R BS.1770-4, with filters of our own."""

    def biquad(audio: NDArray[np.float64], b: tuple[float, ...], a: tuple[float, ...]) -> NDArray[np.float64]:
        from scipy.signal import lfilter

        return np.asarray(lfilter(b, a, audio, axis=1))

    # The standard defines its two filters at 48 kHz. These are their analogue prototypes, warped to 44.1 kHz.
    k, q, gain = math.tan(math.pi * 1681.974450955533 / RATE), 0.7071752369554196, 10 ** (3.999843853973347 / 20)
    half, a0 = gain**0.4996667741545416, 1 + k / q + k * k
    shelf = biquad(
        samples,
        ((gain + half * k / q + k * k) / a0, 2 * (k * k - gain) / a0, (gain - half * k / q + k * k) / a0),
        (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0),
    )
    k, q = math.tan(math.pi * 38.13547087602444 / RATE), 0.5003270373238773
    a0 = 1 + k / q + k * k
    weighted = biquad(shelf, (1.0, -2.0, 1.0), (1.0, 2 * (k * k - 1) / a0, (1 - k / q + k * k) / a0))
    block, step = round(0.4 * RATE), round(0.1 * RATE)
    starts = range(0, samples.shape[1] - block + 1, step)
    powers = np.array([np.mean(weighted[:, start : start + block] ** 2, axis=1).sum() for start in starts])
    loud = powers[-0.691 + 10 * np.log10(powers + 1e-30) > -70]
    relative = -0.691 + db(loud.mean()) - 10
    return -0.691 + db(loud[-0.691 + 10 * np.log10(loud) > relative].mean())


@pytest.fixture(scope="module")
def mixes(tiny: Library, tmp_path_factory: pytest.TempPathFactory) -> list[Pcm]:
    from tests.render.render_examples import open_sounds

    sounds = open_sounds(tiny, tmp_path_factory.mktemp("pitch"))
    recipe = load_recipe(find_recipe("rmod"))
    return [render_pair(compose(recipe, tiny, index), sounds).mix for index in range(4)]


def test_levels_agree_with_an_independent_computation(mixes: list[Pcm]) -> None:
    for mix in mixes:
        levels = measure_mix(mix, RATE)
        samples = mix.astype(np.float64) / 32767
        assert levels.peak_dbfs == pytest.approx(20 * math.log10(np.abs(samples).max()), abs=DB)
        assert levels.rms_dbfs == pytest.approx(db(float(np.mean(samples**2))), abs=DB)
        middle, side = (samples[0] + samples[1]) / 2, (samples[0] - samples[1]) / 2
        assert levels.side_mid_db == pytest.approx(db(np.mean(side**2) / np.mean(middle**2)), abs=DB)
        assert levels.full_scale_share == pytest.approx(np.mean(np.abs(mix.astype(int)) >= 32767), abs=1e-6)


def test_loudness_agrees_with_the_standard(mixes: list[Pcm]) -> None:
    for mix in mixes:
        assert measure_mix(mix, RATE).lufs == pytest.approx(lufs_by_hand(mix.astype(np.float64) / 32767), abs=0.15)


def test_a_sine_of_1_khz_at_full_scale_on_both_sides_is_0_lufs() -> None:
    wave = np.sin(2 * np.pi * 997 * np.arange(4 * RATE) / RATE).astype(np.float32)
    levels = measure_mix(to_pcm(np.stack([wave, wave])), RATE)
    assert levels.lufs == pytest.approx(0.0, abs=0.05)
    assert levels.rms_dbfs == pytest.approx(-3.01, abs=0.01)
    assert levels.peak_dbfs == pytest.approx(0.0, abs=0.001)
    assert levels.side_mid_db == -120.0


def test_both_extremes_count_as_full_scale() -> None:
    mix = np.zeros((2, RATE), np.int16)
    mix[0, :10], mix[1, :5] = 32767, -32767
    assert measure_mix(mix, RATE).full_scale_share == pytest.approx(15 / (2 * RATE), abs=1e-7)
    mix[0, :10] = 32766
    assert measure_mix(mix, RATE).full_scale_share == pytest.approx(5 / (2 * RATE), abs=1e-7)


def test_side_over_mid_is_clipped() -> None:
    sound = to_pcm(noise(1, RATE))
    assert measure_mix(np.concatenate([sound, sound]), RATE).side_mid_db == -120.0
    assert measure_mix(np.concatenate([sound, -sound]), RATE).side_mid_db == 120.0
    assert measure_mix(np.zeros((2, RATE), np.int16), RATE).side_mid_db == -120.0
    assert measure_mix(np.concatenate([sound, np.zeros_like(sound)]), RATE).side_mid_db == pytest.approx(0, abs=1e-3)


def test_levels_of_silence_are_numbers() -> None:
    levels = measure_mix(np.zeros((2, RATE), np.int16), RATE)
    assert (levels.peak_dbfs, levels.rms_dbfs, levels.lufs, levels.full_scale_share) == (-120.0, -120.0, -120.0, 0.0)


@given(st.integers(1, 2000), st.floats(0.001, 1))
def test_target_levels(frames: int, gain: float) -> None:
    pcm = to_pcm(noise(2, frames, gain))
    levels = measure_target(pcm, RATE)
    samples = pcm.astype(np.float64) / 32767
    assert levels.seconds == pytest.approx(frames / RATE, abs=1e-6)
    assert levels.peak_dbfs == pytest.approx(20 * math.log10(max(np.abs(samples).max(), 1e-6)), abs=DB)
    assert levels.rms_dbfs == pytest.approx(db(max(float(np.mean(samples**2)), 1e-12)), abs=DB)


def test_the_clearest_hit_decides_the_audibility_of_a_drum() -> None:
    track, rest = np.zeros((2, 4 * RATE), np.float32), np.zeros((2, 4 * RATE), np.float32)
    notes = [Note(tick=0, velocity=100), Note(tick=480, velocity=100), Note(tick=1919, velocity=100)]
    track[:, :2205], rest[:, :2205] = 0.1, 0.9  # buried by 20 dB
    track[:, RATE : RATE + 2205], rest[:, RATE : RATE + 2205] = 0.25, 0.25  # half of the sum
    assert measure_audibility(AudioLevels(track), AudioLevels(track + rest), notes, SETTINGS) == pytest.approx(
        20 * math.log10(0.5), abs=1e-3
    )
    assert measure_audibility(AudioLevels(track), AudioLevels(track + rest), notes[:1], SETTINGS) == pytest.approx(
        -20, abs=1e-3
    )
    assert measure_audibility(AudioLevels(np.zeros_like(track)), AudioLevels(rest), notes, SETTINGS) == -120.0
    assert measure_audibility(AudioLevels(track), AudioLevels(track + rest), [], SETTINGS) == -120.0


LIMITS = RejectLimits()


def judge_tracks(
    sounds: Sounds, *tracks: Any, master: tuple[Any, ...] = (), limits: RejectLimits = LIMITS
) -> Reject | None:
    drums = [track for track in tracks if hasattr(track, "notes")]
    loops = [track for track in tracks if not hasattr(track, "notes")]
    return judge(render_pair(spec_of(drums, loops, master), sounds).measured, limits)


def test_a_normal_pair_is_not_rejected(tiny: Library, sounds: Sounds) -> None:
    assert judge_tracks(sounds, drum(tiny, "kick", [0]), drum(tiny, "snare", [900]), loop(tiny, "piano")) is None


def test_a_silent_mixture_is_rejected(tiny: Library, sounds: Sounds) -> None:
    reject = judge_tracks(sounds, drum(tiny, "kick", [0]), master=(Gain(gain_db=-80.0),))
    assert reject == Reject(stage="mix", reason="silent mix")


def test_a_silent_target_is_rejected(tiny: Library, sounds: Sounds) -> None:
    measured = render_pair(spec_of([drum(tiny, "kick", [0]), drum(tiny, "snare", [0])]), sounds).measured
    quiet = replace(measured.targets["snare"], peak_dbfs=-60.01)
    silent = replace(measured, targets={**measured.targets, "snare": quiet})
    assert judge(silent, LIMITS) == Reject(stage="target", reason="silent snare")
    at_limit = replace(measured, targets={**measured.targets, "snare": replace(quiet, peak_dbfs=-60.0)})
    assert judge(at_limit, LIMITS) is None


def test_a_buried_target_is_rejected(tiny: Library, sounds: Sounds) -> None:
    buried = drum(tiny, "kick", [0, 900], inserts=(Gain(gain_db=-54.0),))
    piano = loop(tiny, "piano")
    assert judge_tracks(sounds, buried, piano) == Reject(stage="mix", reason="buried kick")
    assert judge_tracks(sounds, buried) is None  # alone it is quiet, but not buried
    assert judge_tracks(sounds, replace(buried, target=False), piano) is None  # not a target
    assert judge_tracks(sounds, buried, piano, limits=RejectLimits(buried_db=100.0)) is None


def test_one_clear_hit_is_enough(tiny: Library, sounds: Sounds) -> None:
    # The vocal is silent from 1.5 s on, and only the second hit is after that.
    quiet = (Gain(gain_db=-54.0),)
    vocal = loop(tiny, "vocal")
    assert judge_tracks(sounds, drum(tiny, "kick", [200], inserts=quiet), vocal) is not None
    assert judge_tracks(sounds, drum(tiny, "kick", [200, 1200], inserts=quiet), vocal) is None


def test_measured_levels_are_json(tiny: Library, sounds: Sounds) -> None:
    import json

    measured = render_pair(spec_of([drum(tiny, "kick", [0])], [loop(tiny, "bass")]), sounds).measured
    assert isinstance(measured, PairLevels)
    assert json.loads(json.dumps(measured.to_dict(), allow_nan=False)) == measured.to_dict()
    assert measured.to_dict()["tracks"]["bass"]["audible_db"] is None


@given(st.integers(1, 2000), st.floats(-0.5, 0.5), st.floats(-1, 1))
def test_the_mono_peak_is_that_of_what_becomes_tokens(frames: int, offset: float, right: float) -> None:
    sound = noise(1, frames, 0.4)
    pcm = to_pcm(np.concatenate([sound, np.float32(right) * sound]) + np.float32(offset))
    mono = pcm.mean(axis=0) / 32767
    expected = 20 * math.log10(max((mono.max() - mono.min()) / 2, 1e-6))
    assert measure_target(pcm, RATE).mono_peak_dbfs == pytest.approx(expected, abs=0.05)


@pytest.mark.parametrize("right", [-1.0, -0.9995])
def test_a_target_whose_channels_cancel_is_rejected(tiny: Library, sounds: Sounds, right: float) -> None:
    pair = render_pair(spec_of([drum(tiny, "kick", [0])]), sounds)
    left = pair.targets["kick"][:1].astype(np.float32) / 32767
    target = measure_target(to_pcm(np.concatenate([left, np.float32(right) * left])), RATE)
    assert target.peak_dbfs > -1
    cancelled = replace(pair.measured, targets={"kick": target})
    assert judge(cancelled, LIMITS) == Reject(stage="target", reason="silent kick")


def test_a_mixture_whose_channels_cancel_is_rejected(tiny: Library, sounds: Sounds) -> None:
    pair = render_pair(spec_of([drum(tiny, "kick", [0])]), sounds)
    left = pair.mix[:1]
    measured = replace(pair.measured, mix=measure_mix(np.concatenate([left, -left]), RATE))
    assert judge(measured, LIMITS) == Reject(stage="mix", reason="silent mix")


def test_a_drum_is_buried_if_its_channels_cancel_under_a_sound_in_the_middle() -> None:
    notes = [Note(tick=0, velocity=100)]
    left = noise(1, 4 * RATE, 0.5)
    middle = np.repeat(noise(1, 4 * RATE, 0.1), 2, axis=0)
    track = np.concatenate([left, -left])
    assert measure_audibility(AudioLevels(track), AudioLevels(track + middle), notes, SETTINGS) < -100
    assert measure_audibility(AudioLevels(np.abs(track)), AudioLevels(np.abs(track) + middle), notes, SETTINGS) > -3
