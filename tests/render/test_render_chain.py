"""Effects in series and in parallel, and their measured gains."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.audio import db_to_gain, gain_to_db, rms, to_channels
from rmod_pipeline.effects import Effect
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.delay import Delay
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.filter import Filter
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.level_gain import LevelGain
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.pan import Pan
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.effects.width import Width
from rmod_pipeline.render.chain import add_sends, apply_chain, apply_effect, apply_effects
from rmod_pipeline.spec import Send
from tests.render.render_examples import RATE, SETTINGS, noise

SOUND = noise(2, RATE)
EFFECTS: tuple[Effect, ...] = (
    Gain(gain_db=-7.0),
    LevelGain(min_db=-21.0, max_db=-14.0, jitter_db=0.3),
    Equalizer(bands=(Band(shape="peak", hz=900.0, gain_db=9.0, q=1.0),)),
    Compressor(threshold_db=-30.0, ratio=4.0, attack_ms=5.0, release_ms=50.0),
    Pan(position=0.3, law="linear"),
    Width(width=0.4),
    Limiter(threshold_db=-1.0, release_ms=100.0),
    Reverb(room=0.7, damping=0.2, width=0.9),
    Delay(seconds=0.21, feedback=0.003),
    Filter(passes="high", hz=2000.0),
)
chains = st.lists(
    st.builds(lambda effect, match: replace(effect, match_rms=match), st.sampled_from(EFFECTS), st.booleans()),
    max_size=5,
)


@pytest.mark.parametrize("effect", EFFECTS, ids=lambda effect: effect.effect)
@pytest.mark.parametrize("channels", [1, 2])
def test_match_rms_restores_the_level_of_the_input(effect: Effect, channels: int) -> None:
    sound = noise(channels, RATE)
    out, (gain,) = apply_chain(sound, [replace(effect, match_rms=True)], SETTINGS)
    assert abs(gain_to_db(rms(out)) - gain_to_db(rms(sound))) < 1e-4
    unmatched = apply_effect(sound, effect, SETTINGS)
    assert gain == pytest.approx(gain_to_db(rms(sound) / rms(unmatched)), abs=1e-3)


def test_match_rms_holds_along_a_chain() -> None:
    effects = [replace(effect, match_rms=True) for effect in EFFECTS]
    for length in range(1, len(effects) + 1):
        out, _ = apply_chain(SOUND, effects[:length], SETTINGS)
        assert abs(gain_to_db(rms(out)) - gain_to_db(rms(SOUND))) < 1e-4


@pytest.mark.parametrize("match", [True, False])
def test_silence_stays_silence(match: bool) -> None:
    effects = [replace(effect, match_rms=match) for effect in EFFECTS]
    out, gains = apply_chain(np.zeros((1, RATE), np.float32), effects, SETTINGS)
    assert not out.any()
    assert gains == [0.0] * len(effects)


@pytest.mark.parametrize("match", [True, False])
def test_audio_that_an_effect_silences_stays_silent(match: bool) -> None:
    opposed = np.concatenate([noise(1, RATE), -noise(1, RATE)])
    effects = [Width(width=0.0, match_rms=match), Gain(gain_db=3.0), replace(EFFECTS[3], match_rms=True)]
    out, gains = apply_chain(opposed, effects, SETTINGS)
    assert not out.any()
    assert gains == [0.0, 0.0, 0.0]


def test_the_gain_of_an_effect_without_match_rms_is_its_change_of_level() -> None:
    _, gains = apply_chain(SOUND, [Gain(gain_db=-7.0), Gain(gain_db=2.5)], SETTINGS)
    assert gains == pytest.approx([-7.0, 2.5], abs=1e-3)


@given(st.floats(1e-4, 0.9), st.floats(-30, 0), st.floats(0, 12), st.floats(-2, 2))
@settings(max_examples=40)
def test_a_level_dependent_gain_follows_its_formula(level: float, low: float, spread: float, jitter: float) -> None:
    high = low + spread
    sound = noise(1, 4410, 1.0)
    sound *= np.float32(level / rms(sound))
    out, (gain,) = apply_chain(sound, [LevelGain(min_db=low, max_db=high, jitter_db=jitter)], SETTINGS)
    expected = min(max(high - level / 0.7 * (high - low) + jitter, low), high)
    assert gain == pytest.approx(expected, abs=2e-3)
    assert np.allclose(out, sound * 10 ** (expected / 20), rtol=1e-4)


@given(chains)
@settings(max_examples=30)
def test_the_audio_is_the_same_with_and_without_measuring(effects: list[Effect]) -> None:
    sound = noise(1, 4410)
    assert np.array_equal(apply_chain(sound, effects, SETTINGS)[0], apply_effects(sound, effects, SETTINGS))
    silent = np.zeros_like(sound)
    assert np.array_equal(apply_chain(silent, effects, SETTINGS)[0], apply_effects(silent, effects, SETTINGS))


def test_a_chain_does_not_change_its_input() -> None:
    sound = noise(2, RATE)
    apply_chain(sound, [replace(effect, match_rms=True) for effect in EFFECTS], SETTINGS)
    add_sends(sound, [Send(name="reverb", level_db=-3.0, effects=(EFFECTS[7],))], SETTINGS)
    assert np.array_equal(sound, noise(2, RATE))


def test_without_effects_nothing_changes() -> None:
    out, gains = apply_chain(SOUND, [], SETTINGS)
    assert np.array_equal(out, SOUND)
    assert gains == []


SENDS = (
    Send(name="reverb", level_db=-4.5, effects=(EFFECTS[7], EFFECTS[9])),
    Send(name="delay", level_db=-8.0, effects=(EFFECTS[8],)),
)


@pytest.mark.parametrize("channels", [1, 2])
def test_sends_are_added_at_their_level_and_process_the_track_alone(channels: int) -> None:
    dry = noise(channels, RATE)
    together = add_sends(dry, SENDS, SETTINGS)
    expected = to_channels(dry, 2).astype(np.float64)
    for send in SENDS:
        wet = to_channels(dry, 2)
        for effect in send.effects:
            wet = apply_effect(wet, effect, SETTINGS)
        expected += to_channels(wet, 2) * db_to_gain(send.level_db)
    assert np.allclose(together, expected, atol=1e-6)
    # Their order has no influence, because no send processes another.
    assert np.allclose(add_sends(dry, SENDS[::-1], SETTINGS), together, atol=1e-6)


@pytest.mark.parametrize("channels", [1, 2])
def test_a_track_without_sends_becomes_stereo(channels: int) -> None:
    assert np.array_equal(add_sends(noise(channels, RATE), [], SETTINGS), to_channels(noise(channels, RATE), 2))
