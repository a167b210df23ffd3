"""Load features: what a loader yields is what the tars hold, in the order of tokens, with the times of the hits."""

from __future__ import annotations

import json
import shutil
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.errors import ShardError, UnfinishedError, UsageError
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.features import load_features
from rmod_pipeline.reading.loader import load_tokens
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.windows.arrays import encode_array
from rmod_pipeline.shards.windows.feature_family import choose_features
from rmod_pipeline.shards.windows.features import decode_levels
from rmod_pipeline.spec import PairSpec
from tests.reading.reading_examples import TRAIN, keys
from tests.tiny_build import on_disk


def test_levels_equal_those_in_the_tars(tiny_features: Path) -> None:
    family = choose_features(tiny_features)
    read = list(load_features(tiny_features, "train"))
    assert keys(read) == TRAIN
    stored = dict(
        pair
        for number in range(4)
        for pair in read_tar(Layout(tiny_features).tar(f"train-{number:06d}", family.folder))
    )
    for pair in read:
        members = stored[pair["key"]]
        assert pair["frames"] == json.loads(members["json"])["features"]["frames"]
        assert pair["definition"] == family.mel
        assert list(pair["levels"]) == ["mix", "kick", "snare"]
        for sound, levels in pair["levels"].items():
            np.testing.assert_array_equal(levels, decode_levels(members[f"{sound}.npy"], sound))


def test_hits_are_the_onsets_of_every_drum_in_seconds(tiny_features: Path) -> None:
    for pair, read in zip(DataSet(tiny_features).pairs("train"), load_features(tiny_features, "train"), strict=True):
        spec: PairSpec = pair.spec
        assert list(read["hits"]) == [drum.kind for drum in spec.drums]
        for drum in spec.drums:
            onsets = [spec.settings.onset(note.tick) / spec.settings.sample_rate for note in drum.notes]
            assert read["hits"][drum.kind].dtype == np.float32
            np.testing.assert_array_equal(read["hits"][drum.kind], np.array(onsets, np.float32))


OPTIONS: list[dict[str, Any]] = [
    {},
    {"shuffle": 3, "seed": 7},
    {"shuffle": 4, "seed": 1, "epoch": 5},
    {"rank": 1, "world_size": 3},
    {"shuffle": 2, "rank": 0, "world_size": 2},
    {"resampled": True, "shuffle": 4},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_the_order_is_that_of_tokens(with_both: Path, options: dict[str, Any]) -> None:
    """So that zip joins the tokens and the features of a pair."""
    features, tokens = load_features(with_both, "train", **options), load_tokens(with_both, "train", **options)
    assert keys(islice(features, 30)) == keys(islice(tokens, 30))
    features.set_epoch(2)
    tokens.set_epoch(2)
    assert keys(islice(features, 30)) == keys(islice(tokens, 30))
    assert features.pairs == tokens.pairs


def test_only_the_selected_sounds_are_read(tiny_features: Path) -> None:
    for pair in load_features(tiny_features, "train", sounds=["mix"]):
        assert list(pair["levels"]) == list(pair["frames"]) == ["mix"]
        assert list(pair["hits"]) == ["kick", "snare"]
    with pytest.raises(UsageError, match="no such sound"):
        load_features(tiny_features, "train", sounds=["kik"])


def test_a_data_set_lists_and_loads_its_features(tiny_features: Path, tiny_built: Path) -> None:
    data = DataSet(tiny_features)
    assert data.feature_families == [choose_features(tiny_features).name]
    assert keys(data.features("valid", features="mel")) == ["valid-00000000", "valid-00000001"]
    assert DataSet(tiny_built).feature_families == []


def test_missing_features_are_named_with_a_remedy(tiny_built: Path, tiny_features: Path) -> None:
    with pytest.raises(ShardError, match="no features here") as error:
        load_features(tiny_built, "train")
    assert f"rmod features {tiny_built}" in str(error.value)
    with pytest.raises(ShardError, match="no features mol"):
        load_features(tiny_features, "train", features="mol")


def test_unfinished_features_are_refused_unless_partial(tiny_features: Path, tmp_path: Path) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    Layout(out).receipt("train-000001", choose_features(out).folder).unlink()
    with pytest.raises(UnfinishedError):
        load_features(out, "train")
    assert keys(load_features(out, "train", partial=True)) == TRAIN[:3] + TRAIN[6:]


def without_frames(members: dict[str, bytes]) -> dict[str, bytes]:
    content = json.loads(members["json"])
    del content["features"]["frames"]["kick"]
    return {**members, "json": json.dumps(content).encode()}


def without_grid(members: dict[str, bytes]) -> dict[str, bytes]:
    content = json.loads(members["json"])
    content["spec"]["settings"]["grid"] = 0
    return {**members, "json": json.dumps(content).encode()}


def pickled() -> bytes:
    """Return an array whose reading would run code."""
    import io

    stream = io.BytesIO()
    np.save(stream, np.array([print], dtype=object), allow_pickle=True)
    return stream.getvalue()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda members: {**members, "mix.npy": b"hello"}, "not features"),
        (lambda members: {**members, "mix.npy": pickled()}, "not features"),
        (lambda members: {**members, "mix.npy": encode_array(np.zeros((2, 64, 40), np.uint8))}, "features.json says"),
        (lambda members: {**members, "mix.npy": encode_array(np.zeros((2, 64, 44), np.float32))}, "features are uint8"),
        (lambda members: {**members, "json": b"[]"}, "does not describe features"),
        (without_frames, "does not describe features"),
        (without_grid, "does not describe features"),
    ],
)
def test_damage_is_named(tiny_features: Path, tmp_path: Path, change: Any, message: str) -> None:
    out = shutil.copytree(tiny_features, tmp_path / "out")
    layout, family = Layout(out), choose_features(out)
    tar = on_disk(layout.tar("valid-000000", family.folder))
    pairs = list(read_tar(tar))
    with TarWriter(tar) as writer:
        for key, members in pairs:
            writer.add(key, change(members))
    receipt = on_disk(layout.receipt("valid-000000", family.folder))
    content = json.loads(receipt.read_bytes())
    content["files"][0]["bytes"] = tar.stat().st_size
    receipt.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(ShardError, match=message) as error:
        list(load_features(out, "valid"))
    assert "rmod verify" in str(error.value)
