"""Laws of what a classifier is trained on: copies are drawn by name, and computed once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.classification.recipe import SoundVariation, load_classifier_recipe, with_steps
from rmod_pipeline.draw import Draw
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.recipe import Chain
from rmod_pipeline.training.classifier.calibration import find_threshold
from rmod_pipeline.training.classifier.loaders import TrainBatches
from rmod_pipeline.training.classifier.material import prepare_sound_material
from rmod_pipeline.training.classifier.sounds import collect_sounds
from rmod_pipeline.training.classifier.train import split_sounds
from rmod_pipeline.training.classifier.variation import cut_part, vary_sound
from tests.curation.neighbours.libraries import make_library
from tests.training.classifier.classifier_examples import RECIPE, select

RATE = 44_100
SHIPPED = load_classifier_recipe().variation


def make_hit(samples: int, seed: int) -> np.ndarray:
    noise = np.random.default_rng(seed).standard_normal(samples)
    return (noise * np.exp(-np.arange(samples) / (samples / 5))).astype(np.float32)


@settings(max_examples=25, deadline=None)
@given(st.integers(1, 12_000), st.integers(0, 1000), st.booleans())
def test_a_varied_sound_is_finite_has_a_peak_of_one_and_is_drawn_by_name(samples: int, seed: int, pair: bool) -> None:
    sound, partner = make_hit(samples, seed), make_hit(3000, seed + 1) if pair else None
    before = sound.copy()
    first, second = (
        vary_sound(sound, partner, Draw.of("test", seed), variation=SHIPPED, semitones=4, rate=RATE) for _ in range(2)
    )
    assert np.array_equal(first, second)
    assert np.array_equal(sound, before)
    assert first.dtype == np.float32
    assert np.isfinite(first).all()
    assert np.abs(first).max() == pytest.approx(1, abs=1e-5)


def test_silence_stays_silent() -> None:
    silence = np.zeros(500, np.float32)
    varied = vary_sound(silence, make_hit(500, 0), Draw.of("test"), variation=SHIPPED, semitones=4, rate=RATE)
    assert not varied.any()


def test_copies_differ() -> None:
    sound = make_hit(5000, 0)
    copies = [
        vary_sound(sound, None, Draw.of("test", copy), variation=SHIPPED, semitones=4, rate=RATE) for copy in range(5)
    ]
    assert len({copy.tobytes() for copy in copies}) == 5


@given(st.integers(1, 300_000), st.integers(0, 1000))
def test_a_part_lies_in_its_sound(samples: int, seed: int) -> None:
    sound = np.arange(samples, dtype=np.float32)
    part = cut_part(sound, Draw.of("test", seed), RATE)
    assert min(samples, 0.4 * RATE) <= part.size <= samples
    assert np.array_equal(part, sound[int(part[0]) : int(part[0]) + part.size])


def test_material_does_not_depend_on_workers_and_is_computed_once(tmp_path: Path) -> None:
    sounds = collect_sounds([select(load_library("builtin"), 9)])
    assert len(sounds) >= 64  # fewer would run in this process
    recipe = RECIPE.model_copy(update={"variation": SoundVariation(copies=1)})
    one = prepare_sound_material(sounds, recipe, LogMel(), tmp_path / "one")
    many = prepare_sound_material(sounds, recipe, LogMel(), tmp_path / "many", workers=2)
    assert one.parts == many.parts
    assert np.array_equal(one.frames, many.frames)
    assert all(len(parts) == 2 for parts in one.parts)
    calls: list[int] = []
    again = prepare_sound_material(
        sounds, recipe, LogMel(), tmp_path / "one", progress=lambda _name, done, _total: calls.append(done)
    )
    assert not calls
    assert again.parts == one.parts
    other = recipe.model_copy(update={"variation": SoundVariation(copies=0)})
    assert all(len(parts) == 1 for parts in prepare_sound_material(sounds, other, LogMel(), tmp_path / "one").parts)


def test_damaged_material_is_computed_again(tmp_path: Path) -> None:
    sounds = collect_sounds([select(load_library("builtin"), 1)])
    whole = prepare_sound_material(sounds, RECIPE, LogMel(), tmp_path)
    expected = np.array(whole.frames)
    (array,) = tmp_path.glob("*.npy")
    for damage in (lambda: array.write_bytes(array.read_bytes()[:200]), array.unlink):
        damage()
        again = prepare_sound_material(sounds, RECIPE, LogMel(), tmp_path)
        assert np.array_equal(again.frames, expected)


def test_a_sound_that_was_unreadable_once_is_tried_again(tmp_path: Path) -> None:
    first, second, *others = collect_sounds([make_library(tmp_path / "s", 4)])
    assert isinstance(first.path, Path)
    sounds = [first, replace(second, partner=(first.path, first.sha256)), *others]
    file, content = first.path, first.path.read_bytes()
    file.write_bytes(b"")
    calls: list[int] = []

    def prepare() -> list[int]:
        calls.clear()
        material = prepare_sound_material(
            sounds, RECIPE, LogMel(), tmp_path / "work", progress=lambda _name, done, _total: calls.append(done)
        )
        return [len(copies) for copies in material.parts]

    assert prepare().count(0) == 2 and calls, "it, and the one that is layered with it"
    assert prepare().count(0) == 2 and not calls, "nothing is computed again in vain"
    file.write_bytes(content)
    assert prepare().count(0) == 0 and calls


def test_batches_depend_on_seed_epoch_and_rank_alone(tmp_path: Path) -> None:
    sounds = collect_sounds([select(load_library("builtin"), 2)])
    material = prepare_sound_material(sounds, RECIPE, LogMel(), tmp_path)
    data = split_sounds(sounds, material, {"train"}, {"valid"})

    def first_keys(rank: int, epoch: int) -> list[str]:
        batches = TrainBatches(data, RECIPE, rank, 16, 86.0)
        batches.set_epoch(epoch)
        return next(iter(batches)).keys

    assert first_keys(0, 0) == first_keys(0, 0)
    assert first_keys(0, 0) != first_keys(0, 1)
    assert first_keys(0, 0) != first_keys(1, 0)
    valid = {str(sounds[index].path) for index in data.valid}
    assert not valid & set(first_keys(0, 0))


def test_balance_makes_rare_classes_as_frequent_as_others(tmp_path: Path) -> None:
    library = load_library("builtin")
    few = [asset for asset in library.assets if asset.kind == "snare" and asset.split == "train"][:1]
    many = [asset for asset in library.assets if asset.kind == "kick" and asset.split == "train"][:9]
    valid = [asset for asset in library.assets if asset.kind == "kick" and asset.split == "valid"][:1]
    sounds = collect_sounds([replace(library, assets=(*few, *many, *valid))])
    material = prepare_sound_material(sounds, RECIPE, LogMel(), tmp_path)
    data = split_sounds(sounds, material, {"train"}, {"valid"})
    shares = {}
    for balance in (0.0, 1.0):
        loss = RECIPE.loss.model_copy(update={"balance": balance})
        batch = next(iter(TrainBatches(data, RECIPE.model_copy(update={"loss": loss}), 0, 400, 86.0)))
        shares[balance] = sum("snare" in key for key in batch.keys) / 400
    assert shares[0.0] == pytest.approx(0.1, abs=0.06)
    assert shares[1.0] == pytest.approx(0.5, abs=0.1)


@given(
    st.lists(st.tuples(st.sampled_from([0.2, 0.4, 0.5, 0.7, 0.9, 1.0]), st.booleans()), min_size=1, max_size=40),
    st.sampled_from([0.5, 0.8, 0.95]),
)
def test_answers_above_the_threshold_have_the_accuracy(answers: list[tuple[float, bool]], accuracy: float) -> None:
    confidence, correct = (np.array(each) for each in zip(*answers, strict=True))
    threshold = find_threshold(confidence, correct, accuracy)
    above = correct[confidence >= threshold]
    reachable = [each for each in np.unique(confidence) if correct[confidence >= each].mean() >= accuracy]
    if reachable:
        assert above.mean() >= accuracy
        assert threshold == min(reachable)
    else:
        assert threshold == confidence.max()


def test_fewer_steps_keep_the_shape_of_the_schedule() -> None:
    recipe = load_classifier_recipe()
    assert with_steps(recipe, None) is recipe
    for steps in (1, 7, 300):
        schedule = with_steps(recipe, steps).schedule
        assert schedule.steps == steps
        assert schedule.warm_up_steps < steps
        assert 1 <= schedule.check_every_steps <= steps


def test_the_shipped_recipe_has_effects() -> None:
    effects: Chain = SHIPPED.effects
    assert len(effects) >= 4
