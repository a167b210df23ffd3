"""A report of a damaged or unfinished data set names what is damaged, or says what it did not look at."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.errors import ShardError
from rmod_pipeline.inspection.findings import read_expected_content
from rmod_pipeline.inspection.report import make_report
from rmod_pipeline.inspection.report.leaks import OneShotCollector
from rmod_pipeline.inspection.report.make import _read_recipe, _ReportMaker
from rmod_pipeline.inspection.report.sampling import read_sample, split_families
from rmod_pipeline.inspection.report.use import _list_codes
from rmod_pipeline.reading.pairs import StoredPair
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import TokenFamily, choose_family
from rmod_pipeline.shards.tokens import encode_codes
from tests.inspection.tampering import FIRST_KEY, SHARD, edit_json
from tests.tiny_build import on_disk


@pytest.fixture
def out(tiny_built: Path, tmp_path: Path) -> Path:
    """A copy of the finished data set, to damage."""
    return Path(shutil.copytree(tiny_built, tmp_path / "out"))


def test_the_receipts_of_another_data_set_are_refused(out: Path) -> None:
    edit_json(on_disk(Layout(out).build), lambda content: content.update(seed=content["seed"] + 1))
    with pytest.raises(ShardError, match="the receipt of another data set"):
        make_report(out)


def test_a_data_set_without_pairs_is_refused(out: Path) -> None:
    for path in Layout(out).receipts():
        edit_json(on_disk(path), lambda content: content.update(pairs=0))
    with pytest.raises(ShardError, match="no pairs in it"):
        make_report(out)


def test_a_build_file_without_its_recipe_is_refused(out: Path) -> None:
    with pytest.raises(ShardError, match="holds no valid recipe"):
        _read_recipe(Layout(out), {"name": "x"})
    edit_json(on_disk(Layout(out).build), lambda content: content.update(recipe={}))
    with pytest.raises(ShardError, match=r"not a build\.json"):
        read_expected_content(out)


def test_pairs_that_a_tar_lacks_are_counted(tiny_built: Path) -> None:
    with pytest.raises(ShardError, match="lacks 1 of the pairs"):
        list(read_sample(Layout(tiny_built), {SHARD: [FIRST_KEY, "train-00000099"]}, AUDIO))


def test_a_one_shot_that_a_pair_lacks_is_named(tiny_built: Path) -> None:
    with pytest.raises(ShardError, match=f"{FIRST_KEY} has no cowbell"):
        OneShotCollector(Layout(tiny_built), 3)._read("cowbell", FIRST_KEY)


def test_unfinished_tokens_are_left_out_and_named(tiny_tokens: Path) -> None:
    family = choose_family(tiny_tokens)
    assert split_families(Layout(tiny_tokens), {SHARD: 0}) == ([family], [])
    assert split_families(Layout(tiny_tokens), {SHARD: 0, "train-000099": 0}) == ([], [family.name])


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda members, family: members.update(json=without_tokens(members["json"])), "does not fit its tokens"),
        (lambda members, family: members.pop("kick.npy"), "does not fit its tokens"),
        (
            lambda members, family: members.update({"kick.npy": make_codes(family, books=1)}),
            "codebooks with entries up",
        ),
        (lambda members, family: members.update({"kick.npy": make_codes(family, token=9999)}), "up to 9999"),
    ],
)
def test_tokens_of_another_codec_are_named(
    change: Callable[[dict[str, bytes], TokenFamily], object], found: str, tiny_tokens: Path
) -> None:
    family = choose_family(tiny_tokens)
    layout = Layout(tiny_tokens)
    key, members = next(read_tar(layout.tar(SHARD, family.folder)))
    pair = StoredPair(key=key, members=members)
    assert [sound for sound, _ in _list_codes(pair, family, layout)] == list(family.windows)
    change(members, family)
    with pytest.raises(ShardError, match=found):
        list(_list_codes(pair, family, layout))


def without_tokens(text: bytes) -> bytes:
    """Return the JSON of a pair as it is beside the audio."""
    return json.dumps({**json.loads(text), "tokens": None}).encode()


def make_codes(family: TokenFamily, books: int | None = None, token: int = 0) -> bytes:
    """Return codes of 9 frames."""
    return encode_codes(np.full((books or family.shape[0], 9), token, np.uint16))


def test_what_was_not_read_is_listed() -> None:
    maker: Any = SimpleNamespace(_has_audio=False, _families=(), _unread_families=("mini",), _sampled=0)
    text = "\n".join(_ReportMaker._list_unread(maker, 0))
    assert "Specs: there are neither audio nor tokens" in text
    assert "The tokens of mini: they are not finished." in text
