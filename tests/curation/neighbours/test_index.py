"""Laws of the index: it has every sound that can be heard, however it was computed."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.errors import LibraryError
from tests.curation.fake_classifier import FakeChoice, count_answers
from tests.curation.neighbours.libraries import make_index, make_library, write_library
from tests.library.library_sounds import hit, write_sound


def test_an_index_has_the_sounds_in_the_order_of_their_ids(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    index = make_index(library)
    assert index.assets == library.assets and not index.refused
    assert np.allclose(np.linalg.norm(index.embeddings, axis=1), 1)
    assert index.kinds() == ("hihat", "kick", "snare")


def test_a_cached_index_is_the_fresh_one_and_reads_no_sound(tmp_path: Path) -> None:
    library = make_library(tmp_path / "s")
    choice = FakeChoice(log=tmp_path / "log")
    fresh = make_index(library, choice, tmp_path / "c.sqlite")
    for asset in library.assets:
        library.path_of(asset).write_bytes(b"not read")
    cached = make_index(library, choice, tmp_path / "c.sqlite")
    assert np.array_equal(cached.embeddings, fresh.embeddings) and cached.assets == fresh.assets
    assert count_answers(tmp_path / "log") == len(library.assets)


def test_a_cached_sound_whose_file_is_gone_is_left_out(tmp_path: Path) -> None:
    library = make_library(tmp_path / "s")
    make_index(library, FakeChoice(), tmp_path / "c.sqlite")
    (tmp_path / "s" / "kick" / "00.wav").unlink()
    index = make_index(library, FakeChoice(), tmp_path / "c.sqlite")
    assert [(sound.asset.path, sound.reason) for sound in index.refused] == [("kick/00.wav", "no such file")]
    assert len(index.assets) == len(index.embeddings) == len(library.assets) - 1


def test_a_new_sound_alone_is_listened_to(tmp_path: Path) -> None:
    choice = FakeChoice(log=tmp_path / "log")
    make_index(make_library(tmp_path / "s"), choice, tmp_path / "c.sqlite")
    write_sound(tmp_path / "s" / "kick" / "new.wav", hit(77, 0.1))
    index = make_index(write_library(tmp_path / "s"), choice, tmp_path / "c.sqlite")
    assert len(index.assets) == 13 and count_answers(tmp_path / "log") == 13


def test_a_sound_that_cannot_be_heard_is_named_and_left_out(tmp_path: Path) -> None:
    library = make_library(tmp_path)
    (tmp_path / "kick" / "00.wav").unlink()
    write_sound(tmp_path / "snare" / "01.wav", hit(99))
    index = make_index(library)
    assert {(sound.asset.path, sound.reason.partition(":")[0]) for sound in index.refused} == {
        ("kick/00.wav", "no such file"),
        ("snare/01.wav", "changed since the scan"),
    }
    assert len(index.assets) == len(index.embeddings) == 10


def test_a_library_without_a_sound_is_an_error_that_names_reasons(tmp_path: Path) -> None:
    library = make_library(tmp_path, 3)
    for path in tmp_path.rglob("*.wav"):
        path.unlink()
    with pytest.raises(LibraryError, match=r"none of its 3 sounds can be heard: .*\.wav: no such file"):
        make_index(library)
