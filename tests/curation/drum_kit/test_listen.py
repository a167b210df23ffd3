"""The shipped classifier tells its leaves, and a planted drum gets its pad by it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.codec.window import Mono
from rmod_pipeline.curation.classify_files import Classifier
from rmod_pipeline.curation.drum_kit.listen import LeafClassifierChoice, Listen, listen_with, rate_pad
from rmod_pipeline.curation.drum_kit.make import KitConfig, SourceFolder, make_drum_kit
from rmod_pipeline.curation.drum_kit.pads import PADS, parse_pads
from rmod_pipeline.errors import ModelError
from tests.curation.drum_kit.kit_sounds import DRUMS, write_recordings
from tests.curation.drum_kit.shape_classifier import ShapeClassifier


@pytest.fixture(scope="module")
def shipped() -> Classifier:
    return LeafClassifierChoice().open()


@pytest.fixture(scope="module")
def listen(shipped: Classifier) -> Listen:
    return listen_with(shipped)


def test_every_pad_has_a_leaf_and_all_leaves_sum_to_one(listen: Listen) -> None:
    for answer in listen([make()[0] for make in DRUMS.values()]):
        assert sum(answer.probabilities.values()) == pytest.approx(1.0)
        assert np.linalg.norm(answer.embedding) == pytest.approx(1.0, abs=1e-5)
        assert all(pad.path in answer.probabilities for pad in PADS.values())


def test_a_sound_that_is_no_drum_is_rated_by_all_digits(listen: Listen) -> None:
    time = np.arange(3 * 44_100) / 44_100
    chord = sum(np.sin(2 * np.pi * hz * time) for hz in (220, 277, 330)) * np.minimum(1, 3 * time) / 4
    (answer,) = listen([np.asarray(chord, np.float32)])
    assert all(abs(value - round(value, 4)) > 1e-9 for value in answer.probabilities.values())
    ratings = [rate_pad(pad, answer, 40.0) for pad in PADS.values()]
    assert len({rating.score for rating in ratings}) == len(PADS), "no two pads are equally bad"


def test_an_answer_does_not_depend_on_the_other_sounds(listen: Listen) -> None:
    sounds = [make()[0] for make in DRUMS.values()]
    together, alone = listen(sounds), [listen([sound])[0] for sound in sounds]
    assert [answer.probabilities for answer in together] == [answer.probabilities for answer in alone]


def test_the_shipped_classifier_finds_planted_drums(tmp_path: Path) -> None:
    places = write_recordings(tmp_path)
    config = KitConfig(pads=parse_pads("kick,snare,hihat/closed"))
    kit = make_drum_kit(SourceFolder.open(tmp_path, tmp_path / "out"), config, LeafClassifierChoice())
    assert {sound.pad.name: sound.candidate.place.source for sound in kit.sounds} == {
        pad: name for pad, (name, _) in places.items()
    }
    assert not kit.weak


def test_a_classifier_without_leaves_is_asked_for_its_guesses() -> None:
    def classified(sounds: Sequence[Mono]) -> list[dict[str, float]]:
        return [{guess.name: guess.confidence for guess in each.guesses} for each in ShapeClassifier().classify(sounds)]

    sounds = [make()[0] for make in DRUMS.values()]
    assert [answer.probabilities for answer in listen_with(ShapeClassifier())(sounds)] == classified(sounds)


def test_another_file_is_no_classifier(tmp_path: Path) -> None:
    (tmp_path / "sounds.pth").write_text("text")
    with pytest.raises(ModelError):
        LeafClassifierChoice(tmp_path / "sounds.pth").open()
