"""The classifier that ships: its size, its classes, and what it makes of kits that it has not met."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest

from rmod_pipeline.classification.checkpoint import SHIPPED_CLASSIFIER, read_classifier
from rmod_pipeline.classification.classifier import SoundClassifier, open_classifier
from rmod_pipeline.classification.recipe import load_classifier_recipe
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.draw import Draw
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.library.taxonomy import CLASSES, class_of, subkinds_of
from rmod_pipeline.synthesis.random_drums import synthesize_random_drum

MOST_BYTES = 2 * 10**6


def make_drum(name: str, number: int) -> Mono:
    return synthesize_random_drum(name, Draw.of("shipped", number)).astype(np.float32)


@pytest.fixture(scope="module")
def classifier() -> SoundClassifier:
    return open_classifier()


def test_it_is_small_and_of_the_shipped_recipe() -> None:
    assert SHIPPED_CLASSIFIER.stat().st_size <= MOST_BYTES
    checkpoint = read_classifier(SHIPPED_CLASSIFIER)
    assert checkpoint.recipe == load_classifier_recipe()


def test_it_tells_the_classes_of_the_taxonomy(classifier: SoundClassifier) -> None:
    assert classifier.classes == CLASSES
    for name in CLASSES:
        leaves = [leaf for leaf in classifier.leaves.names if leaf.partition("/")[0] == name]
        assert [leaf.partition("/")[2] for leaf in leaves] == list(subkinds_of(name) or ("",))


def test_it_knows_the_drums_of_built_in_kits_that_it_was_not_trained_on(classifier: SoundClassifier) -> None:
    library = load_library("builtin")
    store = AudioStore(library)
    assets = [asset for asset in library.assets if asset.split == "test" and class_of(asset.kind) is not None]
    sounds = [store.read(asset.id).mean(axis=0) for asset in assets]
    answers = classifier.classify(sounds)
    right = Counter(class_of(asset.kind)[0] == answer.best.kind for asset, answer in zip(assets, answers, strict=True))  # type: ignore[index]
    assert right[True] >= 0.9 * len(assets)


def test_kinds_of_one_sound_are_nearer_than_other_sounds(classifier: SoundClassifier) -> None:
    """The embedding of a kick is nearer to other kicks than to hi-hats."""
    kicks, hats = (
        classifier.embed([make_drum(name, number) for number in range(8)]) for name in ("kick", "hihat/closed")
    )
    assert (kicks @ kicks.T).mean() > (kicks @ hats.T).mean() + 0.3


def test_a_louder_copy_has_the_same_embedding(classifier: SoundClassifier) -> None:
    sound = make_drum("snare", 0)
    first, second = classifier.embed([sound, np.float32(0.1) * sound])
    assert float(np.dot(first, second)) > 0.999
