"""Laws of a classifier: it answers about each sound alone, and its confidence is a probability."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.classification.checkpoint import Calibration, encode_classifier, read_classifier
from rmod_pipeline.classification.classifier import open_classifier
from rmod_pipeline.classification.labels import make_leaves
from rmod_pipeline.errors import ModelError
from tests.tiny_classifier import LEAVES, make_checkpoint, make_classifier

RATE = 44_100
CLASSIFIER = make_classifier()


def make_sounds(count: int, seed: int = 0) -> list[np.ndarray]:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(200, RATE, count)
    return [
        (generator.standard_normal(length) * np.exp(-np.arange(length) / (0.2 * length))).astype(np.float32)
        for length in lengths
    ]


@settings(max_examples=20)
@given(st.integers(1, 12), st.integers(0, 100))
def test_an_answer_does_not_depend_on_the_other_sounds(count: int, seed: int) -> None:
    sounds = make_sounds(count, seed)
    together = CLASSIFIER.classify(sounds)
    for sound, answer in zip(sounds, together, strict=True):
        (alone,) = CLASSIFIER.classify([sound])
        assert np.allclose(alone.embedding, answer.embedding, atol=1e-5)
        own, same = ({guess.kind: guess.confidence for guess in each.guesses} for each in (alone, answer))
        assert own == pytest.approx(same, abs=2e-4)


def test_confidences_are_probabilities_in_falling_order() -> None:
    for answer in CLASSIFIER.classify(make_sounds(10)):
        confidences = [guess.confidence for guess in answer.guesses]
        assert sum(confidences) == pytest.approx(1, abs=1e-3)
        assert confidences == sorted(confidences, reverse=True)
        assert {guess.kind for guess in answer.guesses} == set(LEAVES.classes)
        assert np.linalg.norm(answer.embedding) == pytest.approx(1, abs=1e-5)


def test_a_class_has_the_probability_of_all_its_parts() -> None:
    """A class that is split into parts is no less probable than either part."""
    for answer in CLASSIFIER.classify(make_sounds(10)):
        hihat = next(guess for guess in answer.guesses if guess.kind == "hihat")
        assert hihat.subkind in ("", "open", "closed")
        assert hihat.name == (f"hihat/{hihat.subkind}" if hihat.subkind else "hihat")


def test_a_temperature_changes_confidence_and_no_answer() -> None:
    sounds = make_sounds(20)
    cold, warm = (make_classifier(0, Calibration(temperature=each)) for each in (0.5, 4.0))
    for sharp, flat in zip(cold.classify(sounds), warm.classify(sounds), strict=True):
        assert sharp.best.confidence >= flat.best.confidence


@pytest.mark.parametrize(("threshold", "certain"), [(0.0, True), (1.0, False)])
def test_below_the_threshold_it_abstains(threshold: float, certain: bool) -> None:
    classifier = make_classifier(0, Calibration(temperature=3.0, threshold=threshold))
    for answer in classifier.classify(make_sounds(5)):
        assert answer.is_certain == certain
        assert answer.kind == (answer.best.kind if certain else "")


def test_silence_is_never_certain() -> None:
    for sound in (np.zeros(0, np.float32), np.zeros(500, np.float32)):
        assert not make_classifier(0, Calibration(threshold=0.0)).classify([sound])[0].is_certain


def test_no_sounds_have_no_answers() -> None:
    assert CLASSIFIER.classify([]) == []
    assert CLASSIFIER.embed([]).shape == (0, CLASSIFIER.dimensions)


def test_a_checkpoint_survives_its_file(tmp_path: Path) -> None:
    checkpoint = make_checkpoint()
    data = encode_classifier(checkpoint)
    assert data == encode_classifier(make_checkpoint())
    (tmp_path / "sounds.pth").write_bytes(data)
    stored = read_classifier(tmp_path / "sounds.pth")
    assert (stored.recipe, stored.leaves, stored.features) == (
        checkpoint.recipe,
        checkpoint.leaves,
        checkpoint.features,
    )
    assert stored.calibration == checkpoint.calibration
    # A folder of a training holds it under its name.
    opened = open_classifier(tmp_path)
    answers = opened.classify(make_sounds(3))
    expected = make_classifier(0, checkpoint.calibration).classify(make_sounds(3))
    assert [answer.guesses for answer in answers] == [answer.guesses for answer in expected]


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 broken", b"a text"])
def test_any_other_file_is_refused(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "sounds.pth"
    path.write_bytes(content)
    with pytest.raises(ModelError) as error:
        open_classifier(path)
    assert "sounds.pth" in str(error.value)


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"nothing\.pth"):
        open_classifier(tmp_path / "nothing.pth")


def test_unfit_weights_are_refused(tmp_path: Path) -> None:
    from dataclasses import replace

    checkpoint = make_checkpoint()
    for name, broken in (
        ("leaves", replace(checkpoint, leaves=make_leaves([("kick", ()), ("snare", ())]))),
        (
            "size",
            replace(
                checkpoint,
                recipe=checkpoint.recipe.model_copy(
                    update={"model": checkpoint.recipe.model.model_copy(update={"width": 16})}
                ),
            ),
        ),
    ):
        path = tmp_path / f"{name}.pth"
        path.write_bytes(encode_classifier(broken))
        with pytest.raises(ModelError, match="do not fit"):
            open_classifier(path)


def test_a_class_that_the_taxonomy_lacks_is_named(tmp_path: Path) -> None:
    from dataclasses import replace

    leaves = make_leaves([("kick", ()), ("snare", ()), ("hihat", ("closed", "ajar")), ("not_a_drum", ())])
    (tmp_path / "sounds.pth").write_bytes(encode_classifier(replace(make_checkpoint(), leaves=leaves)))
    with pytest.raises(ModelError, match="hihat/ajar"):
        open_classifier(tmp_path)


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.integers(0, 3)), min_size=2, unique_by=lambda each: each[0]))
def test_every_leaf_belongs_to_one_class(classes: list[tuple[str, int]]) -> None:
    named = [(name, tuple(f"s{number}" for number in range(count))) for name, count in classes]
    leaves = make_leaves(named)
    assert leaves.classes == tuple(name for name, _ in classes)
    total = sum(leaves.mask(name).astype(int) for name in leaves.classes)
    assert np.array_equal(total, np.ones(len(leaves.names)))
    for name, subkinds in named:
        for subkind in subkinds:
            assert leaves.mask(name, subkind).sum() == 1
        # An unknown part leaves all of the class.
        assert np.array_equal(leaves.mask(name, "unheard_of"), leaves.mask(name))
    with pytest.raises(KeyError):
        leaves.mask("unheard_of")
