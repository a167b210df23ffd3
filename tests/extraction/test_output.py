"""The folder of an extraction: sounds, JSON, and files that are not its own."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.audio import to_pcm
from rmod_pipeline.errors import DoseError
from rmod_pipeline.extraction import output
from rmod_pipeline.extraction.extract import extract_array
from rmod_pipeline.extraction.open import Answerers
from rmod_pipeline.extraction.output import describe_extraction, write_extraction
from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
from rmod_pipeline.pages.extraction import PAGE, _caption_parts, check_page
from rmod_pipeline.storage.publish import publish_bytes
from tests.tiny_dose import AT, RATE, World


def read_files(folder: Path) -> dict[str, bytes]:
    """Return the content of all files by their relative paths."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_the_best_sound_is_the_decoded_target(by_heart: World, extraction: Extraction, tmp_path: Path) -> None:
    best = write_extraction(extraction, tmp_path / "out")
    assert list(best) == ["kick", "snare", "hihat"]
    for each in extraction.instruments:
        stored, rate = soundfile.read(best[each.instrument], dtype="int16")
        target = by_heart.codec.decode(by_heart.targets[each.instrument][[each.best.window]])[0]
        assert rate == RATE
        assert np.array_equal(stored, to_pcm(target[None])[0])


def test_the_json_describes_the_origin_of_each_sound(by_heart: World, extraction: Extraction, tmp_path: Path) -> None:
    write_extraction(extraction, tmp_path)
    description = json.loads((tmp_path / "extraction.json").read_text())
    files = {sound["file"]: sound for sound in description["sounds"]}
    assert set(files) == set(read_files(tmp_path)) - {"extraction.json"}
    assert description["codec"] == by_heart.codec.identity.to_dict()
    assert len(files) == 3 * len(AT) * 4
    for each in extraction.instruments:
        first = files[f"{each.instrument}.wav"]
        assert first["window_seconds"] in AT
        assert (first["try"], first["silent"], first["codec"]) == (0, False, by_heart.codec.name)
        assert first["checkpoint"]["step"] == 7
        assert len(first["checkpoint"]["sha256"]) == 64
        distances = [s["apart"] for s in description["sounds"] if s["instrument"] == each.instrument]
        assert distances == sorted(distances)
    assert files["kick.wav"]["checkpoint"]["file"] == "kick.pth"
    assert files["hihat.wav"]["checkpoint"]["file"] == "snare-hihat.pth"
    assert len({sound["seed"] for sound in description["sounds"]}) == 4


@pytest.mark.parametrize(
    ("changes", "unused"),
    [
        ({}, {"windows"}),
        ({"config": ExtractionConfig()}, {"at"}),
        ({"config": ExtractionConfig(tries=0)}, {"at", "temperature", "top_p", "seed"}),
        ({"codec": None}, {"windows", "tries", "batch", "temperature", "top_p", "seed"}),
        ({"library": None}, {"windows", "picks", "layers"}),
    ],
)
def test_the_json_lists_the_options_that_had_an_effect(
    extraction: Extraction, changes: dict[str, Any], unused: set[str]
) -> None:
    described = replace(extraction, **{"library": {"digest": "0", "sounds": 1}, **changes})
    options = describe_extraction(described)["asked"]
    assert options == {key: value for key, value in asdict(described.config).items() if key not in unused}


def test_equal_seeds_give_equal_bytes_and_other_seeds_do_not(
    by_heart: World, opened: Answerers, tmp_path: Path
) -> None:
    config = ExtractionConfig(at=(0.3, 1.7), tries=2, temperature=5.0, top_p=1.0)
    for name, some_config in (("one", config), ("two", config), ("other", replace(config, seed=1))):
        write_extraction(extract_array(by_heart.song, RATE, opened, some_config), tmp_path / name)
    assert read_files(tmp_path / "one") == read_files(tmp_path / "two")
    assert read_files(tmp_path / "one") != read_files(tmp_path / "other")


def test_an_earlier_extraction_is_replaced_and_no_other_file(
    by_heart: World, opened: Answerers, extraction: Extraction, tmp_path: Path
) -> None:
    write_extraction(extraction, tmp_path)
    (tmp_path / "mine.wav").write_bytes(b"mine")
    description = json.loads((tmp_path / "extraction.json").read_text())
    description["sounds"] += [{"file": "../outside.wav"}, {"file": "/etc/passwd"}, {"file": "candidates/../mine.wav"}]
    (tmp_path / "extraction.json").write_text(json.dumps(description))
    kick = opened.only("kick")
    write_extraction(extract_array(by_heart.song, RATE, kick, ExtractionConfig(at=(0.0,), tries=1)), tmp_path)
    assert set(read_files(tmp_path)) == {"kick.wav", "candidates/kick-02.wav", "extraction.json", "mine.wav"}
    write_extraction(extract_array(by_heart.song, RATE, kick, ExtractionConfig(at=(0.0,), tries=0)), tmp_path)
    assert set(read_files(tmp_path)) == {"kick.wav", "extraction.json", "mine.wav"}
    assert not (tmp_path / "candidates").exists()


@pytest.mark.parametrize("name", ["kick.wav", "candidates/kick-02.wav", "extraction.json"])
def test_a_file_that_no_extraction_wrote_is_kept(name: str, extraction: Extraction, tmp_path: Path) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("{}")
    with pytest.raises(DoseError, match=r"already exists and .*\n.*choose another --out, or move this file away"):
        write_extraction(extraction, tmp_path)
    assert read_files(tmp_path) == {name: b"{}"}


def test_files_of_an_interrupted_extraction_are_replaced_by_the_next(
    extraction: Extraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = publish_bytes

    def interrupt(data: bytes, path: Path, drafts: Path) -> None:
        if path.name == "hihat.wav":
            raise KeyboardInterrupt
        publish(data, path, drafts)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(output, "publish_bytes", interrupt)
        write_extraction(extraction, tmp_path)
    assert (tmp_path / "kick.wav").exists()
    write_extraction(extraction, tmp_path)
    write_extraction(extraction, tmp_path.with_name("whole"))
    assert read_files(tmp_path) == read_files(tmp_path.with_name("whole"))


def test_a_disk_that_is_full_is_named(extraction: Extraction, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fill(*_: object) -> None:
        raise OSError(28, "No space left on device", str(tmp_path / "kick.wav"))

    monkeypatch.setattr(output, "publish_bytes", fill)
    with pytest.raises(DoseError, match=r"kick\.wav.*No space left"):
        write_extraction(extraction, tmp_path)


def test_a_page_takes_no_place_of_another_file(tmp_path: Path) -> None:
    check_page(tmp_path)
    (tmp_path / PAGE).mkdir()
    with pytest.raises(DoseError, match="is not a page of rmod"):
        check_page(tmp_path)


def test_a_silent_candidate_has_nothing_else_in_its_caption(extraction: Extraction) -> None:
    best = extraction["kick"].best
    assert list(_caption_parts(replace(best, silent=True)))[1:] == ["silent"]
    assert "silent" not in list(_caption_parts(best))
