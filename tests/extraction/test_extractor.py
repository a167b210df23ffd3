"""Opening checkpoints: they are found by their instruments, and errors name the file that does not fit."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from rmod_pipeline.dose.checkpoint import load_dose_model, read_dose_checkpoint
from rmod_pipeline.errors import CodecError, DoseError, UsageError
from rmod_pipeline.extraction.extractor import make_extractor, open_extractors
from tests.tiny_dose import World, write_model


def test_checkpoints_are_found_by_their_instruments(by_heart: World) -> None:
    codec = str(by_heart.weights)
    by_name, _ = open_extractors(by_heart.folder, ["hihat"], codec, "cpu")
    assert [(each.instrument, each.class_index, each.source["file"]) for each in by_name] == [
        ("hihat", 1, "snare-hihat.pth")
    ]
    in_order, _ = open_extractors(by_heart.folder, ["hihat", "kick"], codec, "cpu")
    assert [each.instrument for each in in_order] == ["hihat", "kick"]
    of_file, _ = open_extractors(by_heart.folder / "snare-hihat.pth", (), codec, "cpu")
    assert [each.instrument for each in of_file] == ["snare", "hihat"]
    assert of_file[0].model is of_file[1].model


def test_other_files_in_a_folder_are_skipped(by_heart: World, tmp_path: Path) -> None:
    (tmp_path / "codec.pth").write_bytes(by_heart.weights.read_bytes())
    (tmp_path / "kick.pth").write_bytes((by_heart.folder / "kick.pth").read_bytes())
    extractors, _ = open_extractors(tmp_path, (), str(by_heart.weights), "cpu")
    assert [each.instrument for each in extractors] == ["kick"]
    (tmp_path / "kick.pth").unlink()
    with pytest.raises(DoseError, match=r"no DOSE checkpoint among 1 \.pth files"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")


def test_a_renamed_checkpoint_is_found_too(by_heart: World, tmp_path: Path) -> None:
    (tmp_path / "kick.pth").write_bytes((by_heart.folder / "kick.pth").read_bytes())
    (tmp_path / "others.pth").write_bytes((by_heart.folder / "snare-hihat.pth").read_bytes())
    (tmp_path / "snare.pth").write_bytes(by_heart.weights.read_bytes())
    for instruments in (["kick", "snare"], ["snare"], ["hihat", "kick"]):
        extractors, _ = open_extractors(tmp_path, instruments, str(by_heart.weights), "cpu")
        assert [each.instrument for each in extractors] == instruments
    with pytest.raises(DoseError, match="extracts kick and snare and hihat, not tom"):
        open_extractors(tmp_path, ["kick", "tom"], str(by_heart.weights), "cpu")


def test_a_hint_names_the_codec_of_the_file_that_it_is_about(by_heart: World, tmp_path: Path) -> None:
    identity = by_heart.codec.identity.to_dict()
    write_model(tmp_path, ["kick"], identity)
    write_model(tmp_path, ["snare"], {**identity, "name": "other-87654321", "sha256": "0" * 64})
    with pytest.raises(CodecError, match=r"snare\.pth: made with sha256 0.*\n.*its codec other-87654321 differs"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")


def test_one_instrument_in_two_files_is_refused(by_heart: World, tmp_path: Path) -> None:
    identity = by_heart.codec.identity.to_dict()
    write_model(tmp_path, ["kick"], identity)
    write_model(tmp_path, ["kick", "tom"], identity)
    with pytest.raises(DoseError, match=r"kick is extracted by both kick-tom.pth and kick.pth"):
        open_extractors(tmp_path, (), str(by_heart.weights), "cpu")
    assert len(open_extractors(tmp_path, ["tom"], str(by_heart.weights), "cpu")[0]) == 1


def test_an_error_names_a_model_that_does_not_fit_the_codec(by_heart: World, tmp_path: Path) -> None:
    identity, codec = by_heart.codec.identity.to_dict(), str(by_heart.weights)
    for name, changes, codec_identity, message in (
        ("books", {"codebooks": 2}, {"name": identity["name"]}, "codebooks 2, but the codec .* has 3"),
        ("entries", {"codebook_size": 64}, {"name": identity["name"]}, "codebook size 64, but the codec .* has 32"),
    ):
        write_model(tmp_path / name, ["kick"], codec_identity, **changes)
        with pytest.raises(DoseError, match=message):
            open_extractors(tmp_path / name, (), codec, "cpu")
    write_model(tmp_path / "other", ["kick"], {**identity, "sha256": "0" * 64})
    with pytest.raises(CodecError, match="--codec PATH"):
        open_extractors(tmp_path / "other", (), codec, "cpu")
    with pytest.raises(UsageError, match="uses tokens of codec-"):
        open_extractors(by_heart.folder, (), None, "cpu")


@pytest.mark.parametrize("tail", ["learned", "masked"])
def test_the_recipe_tells_whether_the_tail_was_learned(tail: str, by_heart: World) -> None:
    checkpoint = read_dose_checkpoint(by_heart.folder / "kick.pth")
    loss = checkpoint.recipe.loss.model_copy(update={"tail": tail})
    other = replace(checkpoint, recipe=checkpoint.recipe.model_copy(update={"loss": loss}))
    extractor = make_extractor(other, "kick", load_dose_model(other))
    assert extractor.tail_learned == (tail == "learned")
