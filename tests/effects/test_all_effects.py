"""What every effect of every engine must keep to. An effect that is added is tested here without a line more."""

from __future__ import annotations

import numpy as np
import pytest
from pydantic import TypeAdapter

from rmod_pipeline.audio import rms
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import EFFECTS, AnyEffect, AnyRanges, Effect, EffectKind
from rmod_pipeline.render.chain import apply_chain
from rmod_pipeline.spec import Settings
from tests.effects.effect_examples import (
    SAMPLE_RATE,
    every_effect_of_every_engine,
    examples_of,
    impulse,
    noise,
    ranges_of,
)

KINDS = pytest.mark.parametrize("name", EFFECTS)
every = every_effect_of_every_engine()

SETTINGS = Settings(
    engine="pedalboard",
    sample_rate=SAMPLE_RATE,
    frames=SAMPLE_RATE // 4,
    grid=1920,
    one_shot_frames=SAMPLE_RATE,
    one_shot_fade_frames=441,
    truncation_fade_frames=0,
    loop_frames=8 * SAMPLE_RATE,
    loop_fade_frames=0,
)


def applied(name: str, engine: str, effect: Effect, audio: np.ndarray) -> np.ndarray:
    return EFFECTS[name].engines[engine](audio, effect, SAMPLE_RATE)


@every
@pytest.mark.parametrize("channels", [1, 2])
def test_shape_type_and_finite(name: str, engine: str, channels: int) -> None:
    for effect in examples_of(name):
        out = applied(name, engine, effect, noise(channels))
        assert out.dtype == np.float32
        assert out.ndim == 2
        assert out.shape[0] in {channels, 2}
        assert out.shape[1] == noise(channels).shape[1]
        assert np.isfinite(out).all(), effect


@every
def test_input_is_unchanged(name: str, engine: str) -> None:
    for effect in examples_of(name, 3):
        audio = noise(2)
        applied(name, engine, effect, audio)
        assert np.array_equal(audio, noise(2))


@every
def test_same_bits_again_whatever_came_between(name: str, engine: str) -> None:
    for effect, other in zip(examples_of(name, 5), examples_of(name, 10)[5:], strict=True):
        first = applied(name, engine, effect, noise(2))
        applied(name, engine, other, impulse(channels=2))
        applied(name, engine, effect, impulse(2000, channels=2))
        assert applied(name, engine, effect, noise(2)).tobytes() == first.tobytes()


@every
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(name: str, engine: str, channels: int) -> None:
    for effect in examples_of(name):
        assert not applied(name, engine, effect, np.zeros((channels, 5000), np.float32)).any()


@every
def test_a_view_sounds_as_its_copy(name: str, engine: str) -> None:
    effect = examples_of(name, 1)[0]
    view = noise(2)[:, ::2]
    assert np.array_equal(applied(name, engine, effect, view), applied(name, engine, effect, view.copy()))


@every
def test_an_odd_number_of_frames(name: str, engine: str) -> None:
    for frames in (3, 443, 8193):
        assert applied(name, engine, examples_of(name, 1)[0], noise(1, frames)).shape[1] == frames


@KINDS
@pytest.mark.parametrize("channels", [1, 2])
def test_match_rms_keeps_the_loudness(name: str, channels: int) -> None:
    ranges = ranges_of(name).model_copy(update={"match_rms": True})
    audio = noise(channels)
    kept = 0
    for index in range(10):
        effect = ranges.compose(Draw.of("match", index))
        out, gains = apply_chain(audio, [effect], SETTINGS)
        # An echo later than the end, or stereo of no width, may leave silence: nothing to scale.
        if out.any():
            assert rms(out) == pytest.approx(rms(audio), rel=1e-4), effect
            kept += 1
        assert len(gains) == 1
    assert kept or name == "delay"


@KINDS
def test_an_effect_survives_json(name: str) -> None:
    adapter = TypeAdapter(AnyEffect)
    for effect in examples_of(name):
        again = adapter.validate_json(adapter.dump_json(effect))
        assert again == effect
        assert type(again) is type(effect)


@KINDS
def test_ranges_survive_json(name: str) -> None:
    adapter = TypeAdapter(AnyRanges)
    assert adapter.validate_json(adapter.dump_json(ranges_of(name))) == ranges_of(name)


@KINDS
def test_values_are_named_draws(name: str) -> None:
    effects = examples_of(name)
    assert examples_of(name) == effects
    assert len({repr(effect) for effect in effects}) == len(effects)


@KINDS
def test_record_and_ranges_bear_one_name(name: str) -> None:
    kind: EffectKind = EFFECTS[name]
    assert all(effect.effect == name for effect in examples_of(name, 1))
    assert type(examples_of(name, 1)[0]) is kind.ranges.record


@KINDS
def test_what_an_engine_lacks_pedalboard_does(name: str) -> None:
    assert EFFECTS[name].apply_with("an engine that is not") is EFFECTS[name].engines["pedalboard"]
