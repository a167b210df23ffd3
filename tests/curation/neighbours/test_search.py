"""Laws of the search: a sound and its copies come first, and the ranking depends on nothing but the sounds."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.classify_files import ClassifierChoice
from rmod_pipeline.curation.neighbours.formats import format_neighbours
from rmod_pipeline.curation.neighbours.index import SoundIndex
from rmod_pipeline.curation.neighbours.search import SearchResult, ask, compute_similarities, find_neighbours
from rmod_pipeline.errors import UsageError
from tests.curation.fake_classifier import FakeChoice
from tests.curation.neighbours.libraries import KINDS, make_index, make_library, write_library
from tests.library.library_sounds import hit, write_sound

CHOICE = FakeChoice()


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SoundIndex:
    return make_index(make_library(tmp_path_factory.mktemp("library")))


def search(index: SoundIndex, path: Path, count: int = 99, kind: str = "", itself: bool = False) -> SearchResult:
    return find_neighbours(index, ask(path, CHOICE), count=count, kind=kind, include_itself=itself)


def names(result: SearchResult) -> list[str]:
    return [each.asset.id for each in result.neighbours]


def path_of(index: SoundIndex, number: int) -> Path:
    return Path(str(index.library.path_of(index.assets[number])))


def test_every_sound_is_nearest_to_itself(index: SoundIndex) -> None:
    for number, asset in enumerate(index.assets):
        first = search(index, path_of(index, number), itself=True).neighbours[0]
        assert (first.asset, first.rank) == (asset, 1)
        assert first.similarity == pytest.approx(1.0, abs=1e-5)


def test_the_sound_itself_is_left_out_by_its_content(index: SoundIndex, tmp_path: Path) -> None:
    copy = tmp_path / "copy.wav"
    copy.write_bytes(path_of(index, 3).read_bytes())
    for path in (copy, path_of(index, 3)):
        found = names(search(index, path))
        assert index.assets[3].id not in found and len(found) == len(index.assets) - 1


def test_similarities_fall_and_ranks_rise(index: SoundIndex, tmp_path: Path) -> None:
    result = search(index, write_sound(tmp_path / "q.wav", hit(50, 0.1)))
    values = [each.similarity for each in result.neighbours]
    assert values == sorted(values, reverse=True) and -1 <= min(values) <= max(values) <= 1
    assert [each.rank for each in result.neighbours] == list(range(1, len(values) + 1))
    assert names(search(index, result.question.path, count=4)) == names(result)[:4]


@given(st.permutations(range(12)))
def test_the_ranking_does_not_depend_on_the_order_of_the_sounds(index: SoundIndex, order: list[int]) -> None:
    other = replace(
        index, assets=tuple(index.assets[number] for number in order), embeddings=index.embeddings[list(order)]
    )
    question = ask(path_of(index, 0), CHOICE)
    one, two = (find_neighbours(each, question, count=12, include_itself=True) for each in (index, other))
    assert one == two


def test_equal_sounds_are_ordered_by_id(tmp_path: Path) -> None:
    for name in ("c", "a", "b"):
        write_sound(tmp_path / "kick" / f"{name}.wav", hit(1, 0.1))
    library = write_library(tmp_path)
    question = write_sound(tmp_path / "question.aiff", hit(1, 0.1))
    result = search(make_index(library), question)
    assert names(result) == ["kick/a-wav", "kick/b-wav", "kick/c-wav"]
    assert len({each.similarity for each in result.neighbours}) == 1


def test_a_kind_is_chosen_and_an_unknown_one_is_named(index: SoundIndex) -> None:
    for kind in KINDS:
        found = search(index, path_of(index, 0), kind=kind, itself=True).neighbours
        assert {each.asset.kind for each in found} == {kind} and len(found) == 4
    with pytest.raises(UsageError, match=r"no 'snar' \(did you mean 'snare'\?\)\n.*hihat, kick, snare"):
        search(index, path_of(index, 0), kind="snar")


@given(st.integers(1, 40), st.integers(1, 64), st.integers(0, 99))
def test_a_similarity_does_not_depend_on_the_other_rows(count: int, dimensions: int, seed: int) -> None:
    random = np.random.default_rng(seed)
    vectors = random.standard_normal((count, dimensions))
    vectors = (vectors / np.linalg.norm(vectors, axis=1, keepdims=True)).astype(np.float32)
    together = compute_similarities(vectors, vectors[0])
    alone = [compute_similarities(vectors[[number]], vectors[0])[0] for number in range(count)]
    assert together.tolist() == alone
    assert together == pytest.approx(vectors.astype(float) @ vectors[0].astype(float), abs=2e-6)


def test_formats_name_every_neighbour(index: SoundIndex, tmp_path: Path) -> None:
    import csv
    import json

    result = search(index, write_sound(tmp_path / "a, b.wav", hit(50, 0.1)), count=5)
    rows = list(csv.DictReader(format_neighbours([result], index.library, "csv").splitlines()))
    content = json.loads(format_neighbours([result], index.library, "json"))
    table = format_neighbours([result], index.library, "table").splitlines()
    for number, neighbour in enumerate(result.neighbours):
        path = str(index.library.path_of(neighbour.asset))
        assert rows[number]["path"] == content["sounds"][0]["neighbours"][number]["path"] == path
        assert rows[number]["sound"] == content["sounds"][0]["sound"] == str(tmp_path / "a, b.wav")
        assert float(rows[number]["similarity"]) == neighbour.similarity
        assert neighbour.asset.path in table[number + 2] and "CC0-1.0" in table[number + 2]
    assert "no other sound" in format_neighbours([replace(result, neighbours=())], index.library, "table")


@pytest.mark.parametrize("seed", range(3))
def test_the_classifier_of_rmod_finds_copies_of_a_sound_first(seed: int, tmp_path: Path) -> None:
    """Another level, format, sample rate and a little silence at the beginning are the same sound to it."""
    make_library(tmp_path, 20)
    sound = hit(100 + seed, 0.4)
    write_sound(tmp_path / "copies" / "quiet.wav", 0.1 * sound, subtype="PCM_24")
    write_sound(tmp_path / "copies" / "format.ogg", sound)
    write_sound(tmp_path / "copies" / "late.flac", np.pad(sound, ((0, 0), (900, 2000))))
    write_sound(tmp_path / "copies" / "stereo.wav", np.repeat(sound, 2, axis=0), subtype="PCM_16")
    library = write_library(tmp_path)
    choice = ClassifierChoice()
    question = ask(write_sound(tmp_path / "question.aiff", sound), choice)
    result = find_neighbours(make_index(library, choice), question, count=4)
    assert {each.asset.kind for each in result.neighbours} == {"copies"}
    assert result.neighbours[-1].similarity > 0.97
