"""Batches for an ear: levels, hits and targets are those of the features."""

from __future__ import annotations

from itertools import islice
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.ear.spectrum import count_sound_frames
from rmod_pipeline.features import LogMel
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.training.ear.data import open_features
from rmod_pipeline.training.ear.loaders import EarTrainLoader, EarValidationLoader
from rmod_pipeline.training.loop.examples import frames_of_hits
from rmod_pipeline.training.loop.loaders import LoaderSettings
from tests.training.ear.ear_examples import make_recipe


def test_a_batch_holds_the_levels_of_its_pairs(tiny_features: Path) -> None:
    recipe = make_recipe()
    (batch,) = EarValidationLoader(open_features(tiny_features, recipe), recipe, LoaderSettings())
    pairs = list(load_features(tiny_features, "valid"))
    assert batch.keys == [pair["key"] for pair in pairs]
    for row, pair in enumerate(pairs):
        np.testing.assert_array_equal(batch.levels[row].numpy(), pair["levels"]["mix"])
        for index, name in enumerate(recipe.instruments):
            target, levels = batch.targets[row, index].numpy(), pair["levels"][name]
            assert target.shape[2] == count_sound_frames(recipe.model)
            np.testing.assert_array_equal(target[..., : levels.shape[2]], levels[..., : target.shape[2]])
            assert not target[..., levels.shape[2] :].any()


def test_hits_are_the_frames_of_the_onsets_in_samples(tiny_features: Path) -> None:
    recipe = make_recipe()
    (batch,) = EarValidationLoader(open_features(tiny_features, recipe), recipe, LoaderSettings())
    assert batch.hits.shape == (2, 2, recipe.most_hits)
    for row, pair in enumerate(DataSet(tiny_features).pairs("valid")):
        drums = {drum.kind: drum for drum in pair.spec.drums}
        for index, name in enumerate(recipe.instruments):
            onsets = [pair.spec.settings.onset(note.tick) for note in drums[name].notes]
            expected = sorted({onset // 512 for onset in onsets})
            hits = batch.hits[row, index].tolist()
            assert hits == expected + [-1] * (recipe.most_hits - len(expected))


@given(st.lists(st.integers(0, 176_399), max_size=20), st.sampled_from([22_050, 44_100, 48_000]))
def test_no_hit_is_moved_to_another_frame_by_rounding_its_seconds(onsets: list[int], rate: int) -> None:
    definition = LogMel(sample_rate=rate)
    seconds = np.array([onset / rate for onset in onsets], np.float32)
    found = frames_of_hits(seconds, definition, 300)
    assert found.tolist() == sorted({onset // 512 for onset in onsets if onset // 512 < 300})


@pytest.mark.parametrize("step", [0, 2])
def test_the_batches_of_an_interval_depend_on_its_number_alone(tiny_features: Path, step: int) -> None:
    recipe = make_recipe()
    data = open_features(tiny_features, recipe)

    def keys(first: int, intervals: int) -> list[list[str]]:
        position = [first]
        loader = EarTrainLoader(data, recipe, LoaderSettings(), lambda: position[0])
        found: list[list[str]] = []
        for _ in range(intervals):
            for batch in islice(loader, None):
                found.append(batch.keys)
                position[0] += 1
        return found

    assert keys(step, 1) == keys(0, 2)[step : step + 2]
