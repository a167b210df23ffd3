"""The fused engine applies each effect as pedalboard does. Whole pairs: ``tests/render/test_render_fused.py``."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pytest

from rmod_pipeline.audio import Audio
from rmod_pipeline.compose.chain import compose_chain, compose_sends
from rmod_pipeline.draw import Draw
from rmod_pipeline.effects import EFFECTS, FUSED, PEDALBOARD, Effect
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.recipe.schema import Recipe
from tests.effects.effect_examples import SAMPLE_RATE, apply_effect, examples_of, sine

FUSED_EFFECTS = [name for name, kind in EFFECTS.items() if kind.fused]
LARGEST_DB = -80.0
"""Largest difference of an effect, relative to the peak of the output."""


def make_hits(channels: int, index: int) -> Audio:
    """Return decaying hits of noise and sines [channels, frames], as effects meet them; others for each index."""
    draw = np.random.default_rng(index)
    frames = 30_000 + index
    audio = np.zeros((channels, frames), np.float32)
    for start in range(0, frames - 8000, 5000):
        envelope = np.exp(-np.arange(8000) / draw.uniform(300, 2000))
        hit = draw.uniform(0, 0.4) * draw.standard_normal((channels, 8000))
        hit = hit + draw.uniform(0, 0.8) * sine(draw.uniform(40, 4000), seconds=8000 / SAMPLE_RATE)
        audio[:, start : start + 8000] += (hit * envelope).astype(np.float32)
    return audio * np.float32(10 ** draw.uniform(-1.5, 0.3))


def difference_db(found: Audio, expected: Audio) -> float:
    """Return the largest difference relative to the peak of what is expected."""
    assert found.shape == expected.shape
    largest, peak = np.abs(found.astype(np.float64) - expected).max(), np.abs(expected).max()
    return float(20 * np.log10(max(largest, 1e-15) / peak)) if peak else (0.0 if largest else -300.0)


@pytest.mark.parametrize("name", FUSED_EFFECTS)
def test_an_effect_matches_pedalboard_over_the_limits_of_its_values(name: str) -> None:
    for index, effect in enumerate(examples_of(name, 100)):
        audio = make_hits(1 + index % 2, index)
        expected = apply_effect(PEDALBOARD, effect, audio)
        assert difference_db(apply_effect(FUSED, effect, audio), expected) < LARGEST_DB, effect


def effects_of(recipe: Recipe, count: int) -> Iterator[Effect]:
    """Yield effects of a recipe's chains as they are drawn."""
    for index in range(count):
        draw = Draw.of("match", index)
        for kind, track in (*recipe.drums.items(), *recipe.loops.items()):
            yield from compose_chain(track.inserts, draw.at(kind))
            for send in compose_sends(track.sends, draw.at(kind, "sends")):
                yield from send.effects
        yield from compose_chain(recipe.master, draw.at("master"))


@pytest.mark.parametrize("recipe", ["rmod", "rmod_wide", "rmod_ear"])
def test_effects_of_a_recipe_match_pedalboard(recipe: str) -> None:
    seen: dict[str, int] = {}
    for index, effect in enumerate(effects_of(load_recipe(find_recipe(recipe)), 30)):
        if EFFECTS[effect.effect].fused and seen.setdefault(effect.effect, 0) < 60:
            seen[effect.effect] += 1
            audio = make_hits(1 + index % 2, index % 50)
            expected = apply_effect(PEDALBOARD, effect, audio)
            assert difference_db(apply_effect(FUSED, effect, audio), expected) < LARGEST_DB, effect
    assert {"compressor", "equalizer", "limiter", "pan", "reverb"} <= set(seen)


def test_an_effect_at_other_rates_and_lengths_matches_pedalboard() -> None:
    for rate in (1000, 8000, 22_050, 48_000, 192_000):
        for name in FUSED_EFFECTS:
            # Pedalboard takes two frames of stereo audio for two channels.
            for frames in (3, 8, 1025, 20_000):
                effect = examples_of(name, 1)[0]
                audio = make_hits(2, 1)[:, :frames]
                with np.errstate(all="ignore"):
                    expected = apply_effect(PEDALBOARD, effect, audio, rate)
                    found = apply_effect(FUSED, effect, audio, rate)
                if np.abs(expected).max() < 1e6:  # an equaliser near the highest frequency may explode
                    assert difference_db(found, expected) < LARGEST_DB, (name, rate, frames)


QUIETEST_DB = -115.0
"""What is farther below full scale may differ: pedalboard's reverb rounds it away."""


@pytest.mark.parametrize("name", FUSED_EFFECTS)
def test_quiet_audio_matches_pedalboard_but_for_what_cannot_be_heard(name: str) -> None:
    for index, effect in enumerate(examples_of(name, 10)):
        audio = make_hits(2, index) * np.float32(1e-4)
        expected = apply_effect(PEDALBOARD, effect, audio)
        largest = np.abs(apply_effect(FUSED, effect, audio).astype(np.float64) - expected).max()
        assert largest < max(10 ** (LARGEST_DB / 20) * np.abs(expected).max(), 10 ** (QUIETEST_DB / 20)), effect
