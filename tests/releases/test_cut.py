"""A release of some of the pairs can be read like any other, and says what it lacks."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import webdataset
from datasets import load_dataset

import rmod_pipeline as rmod
from rmod_pipeline.errors import ShardError
from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.reading.loader import load_audio, load_tokens
from rmod_pipeline.releases import make
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.releases.licensing.sounds import SelectedPairs, attribute, select_pairs
from rmod_pipeline.releases.sites.notebook import make_notebook
from rmod_pipeline.storage import Location
from tests.releases.conftest import make_release

KEPT = ["train-00000000", "train-00000001", "train-00000007"]


def select_few(out: Location, licence_class: LicenceClass) -> SelectedPairs:
    """Select the pairs KEPT, as if the others had sounds of another class."""
    rows = [row for row in rmod.open_dataset(out).index() if row["status"] == "pair" and row["key"] in KEPT]
    sounds = sorted({attribute(source) for row in rows for source in row["sources"]})
    selected = select_pairs(out, licence_class)
    return replace(selected, keys=frozenset(KEPT), pairs={"train": 3, "valid": 0}, sounds=tuple(sounds))


@pytest.fixture(scope="module")
def cut(tmp_path_factory: pytest.TempPathFactory, tiny_tokens: Path) -> Path:
    """A release of three pairs: two shards of train and the split valid have none. Not to be changed."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(make, "select_pairs", select_few)
        return make_release(tiny_tokens, tmp_path_factory.mktemp("cut") / "RELEASE", "huggingface")


def test_every_reader_takes_shards_without_pairs(cut: Path, tmp_path: Path) -> None:
    data = rmod.open_dataset(cut)
    assert data.keys() == [pair.key for pair in data.pairs()] == KEPT
    tars = [str(path) for path in sorted((cut / "audio").glob("train-*.tar"))]
    assert len(tars) == 4
    assert [sample["__key__"] for sample in webdataset.WebDataset(tars, shardshuffle=False, empty_check=False)] == KEPT
    loaded = load_dataset(str(cut), "audio", cache_dir=str(tmp_path))
    assert {split: pairs["__key__"][:] for split, pairs in loaded.items()} == {"train": KEPT}
    loaders = [load_audio(cut, "train"), load_tokens(cut, "train")]
    assert [sorted(pair["key"] for pair in loader) for loader in loaders] == [KEPT, KEPT]
    assert rmod.verify_release(cut, progress=False).ok


def test_what_was_left_out_is_named_by_readers(cut: Path) -> None:
    with pytest.raises(ShardError, match="no pairs in it"):
        list(load_audio(cut, "valid"))
    with pytest.raises(ShardError, match="or the release was cut"):
        rmod.open_dataset(cut).pair("train-00000002")


@pytest.mark.parametrize("name", ["README.md", "croissant.json"])
def test_the_papers_name_no_rejects_that_were_left_out(name: str, cut: Path, on_hub: Path) -> None:
    assert {row["status"] for row in rmod.open_dataset(cut).index()} == {"pair"}
    whole, some = ((folder / name).read_text() for folder in (on_hub, cut))
    assert "one per rejected attempt" in whole
    assert "one per rejected attempt" not in some
    assert "the index lists them" not in some


def test_the_notebook_names_no_rejects_that_were_left_out(
    tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts
) -> None:
    few = replace(tiny_request, pairs=frozenset(KEPT))
    texts = [json.dumps(make_notebook(request, tiny_facts)) for request in (tiny_request, few)]
    assert ["One row per pair, and one per attempt" in text for text in texts] == [True, False]
    assert "One row per pair." in texts[1]


def test_the_card_says_what_describes_the_whole_build(cut: Path, on_hub: Path) -> None:
    sentence = "The comparison by sound and `report.json` are of the whole build."
    assert sentence in (cut / "README.md").read_text()
    assert sentence not in (on_hub / "README.md").read_text()
