"""Systems learn from the training sounds alone, and answer with probabilities."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from rmod_pipeline.evaluation.classifiers.compare import answer_fold
from rmod_pipeline.evaluation.classifiers.folds import Fold, make_folds
from rmod_pipeline.evaluation.classifiers.sounds import ComparedSounds
from rmod_pipeline.evaluation.classifiers.systems import SYSTEMS, SystemKind
from rmod_pipeline.evaluation.classifiers.systems.base import FoldInputs, LeakError
from rmod_pipeline.evaluation.classifiers.systems.vectors import LogisticRegression, RandomForest
from rmod_pipeline.library.taxonomy import CLASSES
from tests.evaluation.classifiers.comparison_examples import make_compared, make_inputs

WITHOUT_NETWORK = [name for name, kind in SYSTEMS.items() if not kind.needs_network]


@pytest.fixture(scope="module")
def compared() -> ComparedSounds:
    return make_compared()


@pytest.fixture(scope="module")
def fold(compared: ComparedSounds) -> Fold:
    return make_folds(compared.kinds, compared.families, 2, "library")[0]


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in (("TREES", 20), ("BOOSTS", 8), ("STRENGTHS", (0.01, 1.0))):
        monkeypatch.setattr(f"rmod_pipeline.evaluation.classifiers.systems.vectors.{name}", value)


@pytest.mark.parametrize("name", WITHOUT_NETWORK)
def test_test_sounds_change_nothing_that_is_learned(name: str, compared: ComparedSounds, fold: Fold) -> None:
    inputs, guard = make_inputs(compared, fold)
    rows = answer_fold(name, inputs, fold, guard)
    assert rows.shape == (len(fold.test), len(CLASSES))
    assert rows.sum(1) == pytest.approx(1)
    # The other test sounds get other vectors and labels. The answer to the first one stays the same to the bit.
    garbled = compared.hand_made.copy()
    garbled[list(fold.test[1:])] = 1e6
    kinds = [replace(sound, kind="tom") if index in fold.test else sound for index, sound in enumerate(compared.sounds)]
    other, guard = make_inputs(replace(compared, hand_made=garbled, sounds=tuple(kinds)), fold)
    assert np.array_equal(answer_fold(name, other, fold, guard)[0], rows[0])


@pytest.mark.parametrize("name", [name for name in WITHOUT_NETWORK if name != "majority"])
def test_classes_that_are_far_apart_are_told_apart(name: str, compared: ComparedSounds, fold: Fold) -> None:
    inputs, guard = make_inputs(compared, fold)
    rows = answer_fold(name, inputs, fold, guard)
    assert (rows.argmax(1) == compared.truth[list(fold.test)]).mean() > 0.9


class LeakyRegression(LogisticRegression):
    """Fits its scaler and its head on all sounds."""

    def fit(self, fold: Fold) -> None:
        everything = [*fold.train, *fold.valid, *fold.test]
        self._estimator = self.fit_estimator(self.make_estimator(), everything)


class LeakyLabels(RandomForest):
    """Looks at the labels of the test sounds."""

    def fit(self, fold: Fold) -> None:
        self._labels.read(fold.test)


@pytest.mark.parametrize("leaky", [LeakyRegression, LeakyLabels])
def test_a_planted_leak_is_caught(
    leaky: type[LogisticRegression], compared: ComparedSounds, fold: Fold, monkeypatch: pytest.MonkeyPatch
) -> None:
    def open_leaky(inputs: FoldInputs) -> LogisticRegression:
        return leaky(inputs.hand_made, inputs.labels)

    planted = {"leaky": SystemKind(title="leaky", open=open_leaky)}
    monkeypatch.setattr("rmod_pipeline.evaluation.classifiers.compare.SYSTEMS", planted)
    inputs, guard = make_inputs(compared, fold)
    with pytest.raises(LeakError, match="test sounds"):
        answer_fold("leaky", inputs, fold, guard)


def test_the_guard_closes_again_after_the_answers(compared: ComparedSounds, fold: Fold) -> None:
    inputs, guard = make_inputs(compared, fold)
    with guard.answering():
        assert len(inputs.hand_made.read(fold.test)) == len(fold.test)
    with pytest.raises(LeakError):
        inputs.hand_made.read(fold.test[:1])


def test_the_majority_is_right_as_often_as_its_class_is_there(compared: ComparedSounds) -> None:
    kinds = ["kick" if index % 6 < 4 else sound.kind for index, sound in enumerate(compared.sounds)]
    sounds = tuple(replace(sound, kind=kind) for sound, kind in zip(compared.sounds, kinds, strict=True))
    changed = replace(compared, sounds=sounds)
    right = 0
    for fold in make_folds(kinds, changed.families, 4, "library"):
        inputs, guard = make_inputs(changed, fold)
        rows = answer_fold("majority", inputs, fold, guard)
        right += int((rows.argmax(1) == changed.truth[list(fold.test)]).sum())
    assert right == kinds.count("kick")


def test_a_class_that_no_training_sound_has_gets_no_probability(compared: ComparedSounds, fold: Fold) -> None:
    inputs, guard = make_inputs(compared, fold)
    rows = answer_fold("features-forest", inputs, fold, guard)
    assert not rows[:, CLASSES.index("conga")].any()
