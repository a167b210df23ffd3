"""Properties of all effects of all engines. A new effect is tested here without any change."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError
from types import SimpleNamespace

import numpy as np
import pytest
from pydantic import TypeAdapter

from rmod_pipeline.audio import rms
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import EFFECTS, AnyEffect, AnyRanges, Effect, EffectKind, console
from rmod_pipeline.render.chain import apply_chain
from rmod_pipeline.shards.fingerprint import output_versions
from rmod_pipeline.spec import Settings
from tests.effects.effect_examples import (
    SAMPLE_RATE,
    apply_effect,
    every_effect_of_every_engine,
    examples_of,
    impulse,
    noise,
    ranges_of,
)

KINDS = pytest.mark.parametrize("name", EFFECTS)
every_effect = every_effect_of_every_engine()

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


def apply(name: str, engine: str, effect: Effect, audio: np.ndarray) -> np.ndarray:
    assert effect.effect == name
    return apply_effect(engine, effect, audio)


@every_effect
@pytest.mark.parametrize("channels", [1, 2])
def test_shape_type_and_finite(name: str, engine: str, channels: int) -> None:
    for effect in examples_of(name):
        out = apply(name, engine, effect, noise(channels))
        assert out.dtype == np.float32
        assert out.ndim == 2
        assert out.shape[0] in {channels, 2}
        assert out.shape[1] == noise(channels).shape[1]
        assert np.isfinite(out).all(), effect


@every_effect
def test_input_is_unchanged(name: str, engine: str) -> None:
    for effect in examples_of(name, 3):
        audio = noise(2)
        apply(name, engine, effect, audio)
        assert np.array_equal(audio, noise(2))


@every_effect
def test_the_output_depends_on_the_input_alone(name: str, engine: str) -> None:
    for effect, different in zip(examples_of(name, 5), examples_of(name, 10)[5:], strict=True):
        first = apply(name, engine, effect, noise(2))
        apply(name, engine, different, impulse(channels=2))
        apply(name, engine, effect, impulse(2000, channels=2))
        assert apply(name, engine, effect, noise(2)).tobytes() == first.tobytes()


@every_effect
@pytest.mark.parametrize("channels", [1, 2])
def test_silence_stays_silence(name: str, engine: str, channels: int) -> None:
    for effect in examples_of(name):
        assert not apply(name, engine, effect, np.zeros((channels, 5000), np.float32)).any()


@every_effect
def test_a_view_gives_the_same_output_as_its_copy(name: str, engine: str) -> None:
    effect = examples_of(name, 1)[0]
    view = noise(2)[:, ::2]
    assert np.array_equal(apply(name, engine, effect, view), apply(name, engine, effect, view.copy()))


@every_effect
def test_an_odd_number_of_frames(name: str, engine: str) -> None:
    for frames in (3, 443, 8193):
        assert apply(name, engine, examples_of(name, 1)[0], noise(1, frames)).shape[1] == frames


@KINDS
@pytest.mark.parametrize("channels", [1, 2])
def test_match_rms_keeps_the_loudness(name: str, channels: int) -> None:
    ranges = ranges_of(name).model_copy(update={"match_rms": True})
    audio = noise(channels)
    kept = 0
    for index in range(10):
        effect = ranges.compose(Draw.of("match", index))
        out, gains = apply_chain(audio, [effect], SETTINGS)
        # A delay beyond the end, or a width of 0, can leave silence, which cannot be scaled.
        if out.any():
            assert rms(out) == pytest.approx(rms(audio), rel=1e-4), effect
            kept += 1
        assert len(gains) == 1
    assert kept or name == "delay"


@KINDS
def test_an_effect_survives_json(name: str) -> None:
    adapter = TypeAdapter(AnyEffect)
    for effect in examples_of(name):
        parsed = adapter.validate_json(adapter.dump_json(effect))
        assert parsed == effect
        assert type(parsed) is type(effect)


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
def test_record_and_ranges_have_the_same_name(name: str) -> None:
    kind: EffectKind = EFFECTS[name]
    assert all(effect.effect == name for effect in examples_of(name, 1))
    assert type(examples_of(name, 1)[0]) is kind.ranges.record


@KINDS
def test_pedalboard_replaces_a_missing_engine(name: str) -> None:
    assert EFFECTS[name].apply_with("an unknown engine") is EFFECTS[name].engines["pedalboard"]


@pytest.mark.parametrize(
    ("origin", "text"), [(None, "0.1"), ("{}", "0.1"), ('{"vcs_info": {"commit_id": "3f2a"}}', "0.1 3f2a")]
)
def test_the_version_of_the_console_engine_names_its_commit(
    origin: str | None, text: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        console, "distribution", lambda _: SimpleNamespace(version="0.1", read_text=lambda _name: origin)
    )
    assert output_versions(console.CONSOLE)["pymixconsole"] == text
    assert "pymixconsole" not in output_versions("pedalboard")


def test_a_package_that_is_not_installed_has_a_version_too(monkeypatch: pytest.MonkeyPatch) -> None:
    def find_nothing(name: str) -> None:
        raise PackageNotFoundError(name)

    monkeypatch.setattr(console, "distribution", find_nothing)
    monkeypatch.setattr("rmod_pipeline.storage.process_identity.version", find_nothing)
    versions = output_versions(console.CONSOLE)
    assert set(versions.values()) - {versions["rmod output"]} == {"missing"}


def test_a_parameter_of_the_console_engine_takes_any_value() -> None:
    """The limits of the recipe apply, so those of the parameter are widened."""
    parameter = SimpleNamespace(min=0.0, max=1.0, options=["a"], value=0.5)
    processor = SimpleNamespace(parameters=SimpleNamespace(gain=parameter))
    for value, limits in ((-3.0, (-3.0, 1.0)), (5.0, (-3.0, 5.0)), (0.1, (-3.0, 5.0))):
        console.set_value(processor, "gain", value)
        assert (parameter.value, parameter.min, parameter.max) == (value, *limits)
    console.set_value(processor, "gain", "b")
    assert (parameter.value, parameter.options) == ("b", ["b"])
