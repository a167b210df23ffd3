"""Laws of the training of a classifier: what it reads, that it resumes alike, and what it refuses."""

from __future__ import annotations

import logging
from dataclasses import replace
from pathlib import Path

import pytest

from rmod_pipeline.classification.checkpoint import read_classifier
from rmod_pipeline.classification.classifier import open_classifier
from rmod_pipeline.errors import BuildError, LibraryError, ModelError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.library.read import AudioStore
from rmod_pipeline.training.classifier.sounds import collect_sounds
from tests.training.classifier.classifier_examples import KINDS, RECIPE, select, train


@pytest.fixture(scope="module")
def library() -> Library:
    return select(load_library("builtin"), 3)


@pytest.fixture(scope="module")
def trained(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a finished training; a test must not change it."""
    out = tmp_path_factory.mktemp("classifier") / "out"
    report = train(library, out)
    assert (report.steps, report.ended) == (6, "all steps")
    return out


def test_a_training_makes_a_classifier_of_all_classes(trained: Path, library: Library) -> None:
    classifier = open_classifier(trained)
    assert {"kick", "snare", "hihat", "not_a_drum"} < set(classifier.classes)
    asset = library.select("kick", "train")[0]
    (answer,) = classifier.classify([AudioStore(library).read(asset.id)[0]])
    assert {guess.kind for guess in answer.guesses} == set(classifier.classes)
    assert 0 <= classifier.calibration.threshold <= 1


def test_a_training_that_was_stopped_resumes_with_the_same_result(
    trained: Path, library: Library, tmp_path: Path
) -> None:
    stopped = train(library, tmp_path / "out", until=2)
    assert stopped.ended == ""
    assert train(library, tmp_path / "out").ended == "all steps"
    assert (tmp_path / "out" / "sounds.pth").read_bytes() == (trained / "sounds.pth").read_bytes()


def test_another_recipe_does_not_resume_it(trained: Path, library: Library) -> None:
    other = RECIPE.model_copy(update={"seed": 1})
    with pytest.raises(BuildError, match="seed"):
        train(library, trained, recipe=other)


def test_other_sounds_do_not_resume_it(trained: Path, library: Library) -> None:
    with pytest.raises(BuildError, match="sounds"):
        train(select(load_library("builtin"), 2), trained)


def test_the_test_split_is_not_read(trained: Path, library: Library, tmp_path: Path) -> None:
    """Sounds of the test split whose files do not exist change nothing."""
    ghosts = tuple(
        replace(asset, id=f"ghost/{asset.id}", path=f"nowhere/{asset.path}", split="test", sha256=f"{number:064x}")
        for number, asset in enumerate(library.assets)
    )
    train(replace(library, assets=(*library.assets, *ghosts)), tmp_path / "out")
    assert (tmp_path / "out" / "sounds.pth").read_bytes() == (trained / "sounds.pth").read_bytes()


def test_an_unreadable_sound_is_left_out_with_a_warning(
    library: Library, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    lost = replace(library.assets[0], id="lost", path="lost.wav", sha256="0" * 64)
    with caplog.at_level(logging.WARNING):
        train(replace(library, assets=(*library.assets, lost)), tmp_path / "out")
    assert "lost.wav" in caplog.text


def test_one_class_teaches_nothing(library: Library, tmp_path: Path) -> None:
    kicks = replace(library, assets=tuple(asset for asset in library.assets if asset.kind == "kick"))
    with pytest.raises(LibraryError, match="two at least"):
        train(kicks, tmp_path / "out")


def test_a_library_without_a_valid_split_is_refused(library: Library, tmp_path: Path) -> None:
    train_only = replace(library, assets=tuple(asset for asset in library.assets if asset.split == "train"))
    with pytest.raises(LibraryError, match="valid split"):
        train(train_only, tmp_path / "out")


def test_an_optimizer_for_matrices_is_refused(library: Library, tmp_path: Path) -> None:
    schedule = RECIPE.schedule.model_copy(update={"optimizer": "muon"})
    with pytest.raises(ModelError, match="adamw"):
        train(library, tmp_path / "out", recipe=RECIPE.model_copy(update={"schedule": schedule}))


def test_every_file_is_collected_once_with_its_label(library: Library) -> None:
    sounds = collect_sounds([library, library])
    assert len(sounds) == len({asset.sha256 for asset in library.assets})
    assert [sound.key for sound in sounds] == sorted(sound.key for sound in sounds)
    labels = {(sound.kind, sound.subkind) for sound in sounds}
    assert labels >= {("kick", ""), ("hihat", "open"), ("not_a_drum", "")}
    for sound in sounds:
        if sound.partner is not None:
            (partner,) = (each for each in sounds if each.sha256 == sound.partner[1])
            assert (partner.kind, partner.group) == (sound.kind, sound.group)
            assert partner.key != sound.key


@pytest.mark.parametrize("split", ["valid", "test"])
def test_a_file_that_is_held_out_in_one_library_is_not_learned_from_another(library: Library, split: str) -> None:
    held_out = replace(library, assets=tuple(replace(asset, split=split) for asset in library.assets))
    learned = replace(library, assets=tuple(replace(asset, split="train") for asset in library.assets))
    for libraries in ([held_out, learned], [learned, held_out]):
        assert {sound.split for sound in collect_sounds(libraries)} == {split}


def test_kinds_without_a_class_are_left_out(library: Library, caplog: pytest.LogCaptureFixture) -> None:
    odd = tuple(replace(asset, kind="my_kind") for asset in library.assets if asset.kind == "kick")
    others = tuple(asset for asset in library.assets if asset.kind != "kick")
    with caplog.at_level(logging.WARNING):
        sounds = collect_sounds([replace(library, assets=(*odd, *others))])
    assert len(sounds) == len(others)
    assert f"my_kind {len(odd)}" in caplog.text
    with pytest.raises(LibraryError, match="kinds"):
        collect_sounds([replace(library, assets=odd)])


def test_a_checkpoint_names_its_step_and_losses(trained: Path) -> None:
    checkpoint = read_classifier(trained / "sounds.pth")
    assert checkpoint.progress["step"] in (2, 4, 6)
    assert set(checkpoint.progress["held_out"]["kick"]) == {"class", "wrong"}
    assert checkpoint.calibration.sounds == 3 * len(KINDS)
