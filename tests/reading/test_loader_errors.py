"""A loader names what it cannot read: missing shards, wrong arguments, damaged and malicious files."""

from __future__ import annotations

import io
import json
import os
import pickle
import re
import shlex
import shutil
import sys
import tarfile
from collections.abc import Callable
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline import reading
from rmod_pipeline.errors import RmodError, ShardError, UsageError
from rmod_pipeline.pages.preview.tokens import group_decoded_sounds
from rmod_pipeline.reading import decoding
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.loader import _list_sounds, load_audio, load_tokens
from rmod_pipeline.reading.opening import import_stream
from rmod_pipeline.reading.pairs import read_index_row
from rmod_pipeline.shards.families import find_any_folder
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.shards.tokens import encode_codes
from tests.reading.reading_examples import TRAIN, keys
from tests.tiny_build import on_disk


@pytest.fixture
def copy(encoded: Path, tmp_path: Path) -> Path:
    """A copy of the data set, to change."""
    return Path(shutil.copytree(encoded, tmp_path / "out"))


def test_an_unfinished_split_is_refused_without_partial(copy: Path) -> None:
    Layout(copy).receipt("train-000001").unlink()
    with pytest.raises(
        ShardError, match=r"split train: 1 of 4 shards of audio are not made yet, train-000001 the first"
    ):
        load_audio(copy, "train")
    assert keys(load_audio(copy, "train", partial=True)) == TRAIN[:3] + TRAIN[6:]
    assert keys(load_audio(copy, "valid")) == ["valid-00000000", "valid-00000001"]
    assert keys(load_tokens(copy, "train")) == TRAIN
    shutil.rmtree(copy / "receipts" / AUDIO)
    with pytest.raises(ShardError, match="4 of 4 shards"):
        load_audio(copy, "train", partial=True)


@pytest.mark.parametrize(
    ("load", "error", "message"),
    [
        (lambda out: load_tokens(out, "trian"), ShardError, r"no split 'trian' \(did you mean 'train'\?\)"),
        (lambda out: load_audio(out, "test"), ShardError, r"split test: no pairs in it\n.*--pairs test=100"),
        (
            lambda out: load_tokens(out, "train", "maxi"),
            ShardError,
            r"no tokens of maxi; there are mini-[0-9a-f]{8}",
        ),
        (lambda out: load_tokens(out, "train", sounds=["kik"]), UsageError, r"sound kik: .*'kick'"),
        (lambda out: load_audio(out, "train", sounds=["stem-kick"]), UsageError, "there are mix, kick, snare"),
        (lambda out: load_tokens(out, "train", rank=2, world_size=2), UsageError, "rank 2 of 2"),
        (lambda out: load_tokens(out, "train", rank=0), UsageError, "world_size: is not given"),
        (lambda out: load_tokens(out, "train", shuffle=-1), UsageError, "-1 pairs"),
        (
            lambda out: load_tokens(out, "valid", rank=0, world_size=3),
            ShardError,
            "2 pairs for 3 ranks\n.*resampled=True",
        ),
        (lambda out: load_tokens(out / "none", "train"), ShardError, "no data set here"),
        (lambda out: load_audio(out / "none", "train"), ShardError, "no data set here"),
    ],
)
def test_a_wrong_argument_is_named(
    encoded: Path, load: Callable[[Path], object], error: type[RmodError], message: str
) -> None:
    with pytest.raises(error, match=message):
        load(encoded)


def test_one_of_several_token_families_must_be_named(copy: Path) -> None:
    (name,) = family_names(copy)
    for part in ("tokens", "receipts/tokens"):
        shutil.copytree(copy / part / name, copy / part / "mini-00000000")
    with pytest.raises(ShardError, match=rf"2 families of tokens: mini-00000000, {name}\n.*codec=NAME"):
        load_tokens(copy, "train")
    with pytest.raises(ShardError, match="2 families of tokens begin with mini: "):
        load_tokens(copy, "train", "mini")
    assert keys(load_tokens(copy, "train", name)) == TRAIN
    # Tokens of one codec are not accepted as those of another.
    path = Layout(copy).codec("tokens/mini-00000000")
    path.write_bytes(path.read_bytes().replace(name.encode(), b"mini-00000000"))
    with pytest.raises(ShardError, match="the receipt of another data set, or of other tokens"):
        load_tokens(copy, "train", "mini-00000000")


def test_a_missing_family_is_reported_with_a_remedy(copy: Path) -> None:
    shutil.rmtree(copy / "tokens")
    with pytest.raises(ShardError, match=r"no tokens here\n.*rmod encode"):
        load_tokens(copy, "train")
    build = json.loads((copy / "build.json").read_bytes())
    (copy / "build.json").write_text(json.dumps({**build, "audio": False}))
    with pytest.raises(ShardError, match=r"stores no audio\n.*load_tokens"):
        load_audio(copy, "train")


def rewrite(out: Path, change: Callable[[str, dict[str, bytes]], dict[str, bytes] | None]) -> None:
    """Change the pairs of the first token tar, and adapt its receipt."""
    (name,) = family_names(out)
    layout, family = Layout(out), f"tokens/{name}"
    tar, receipt = layout.tar("train-000000", family), layout.receipt("train-000000", family)
    pairs = list(read_tar(tar))
    with TarWriter(on_disk(tar)) as writer:
        for key, members in pairs:
            changed = change(key, members)
            if changed is not None:
                writer.add(key, changed)
    content = json.loads(receipt.read_bytes())
    content["files"][0]["bytes"] = tar.stat().st_size
    on_disk(receipt).write_text(json.dumps(content))


class _Trap:
    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, ("trapped",)


def _make_object_array() -> bytes:
    stream = io.BytesIO()
    np.save(stream, np.array([_Trap()], dtype=object), allow_pickle=True)
    return stream.getvalue()


def test_a_pickle_is_never_loaded(copy: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    trap = pickle.dumps(_Trap())
    rewrite(copy, lambda _, members: {**dict.fromkeys(("pyd", "pickle", "mix.pth", "cbor"), trap), **members})
    assert keys(load_tokens(copy, "train")) == TRAIN
    rewrite(copy, lambda _, members: {**members, "mix.npy": _make_object_array()})
    with pytest.raises(ShardError, match=r"train-00000000\.mix\.npy: not tokens: Object arrays cannot be loaded"):
        list(load_tokens(copy, "train"))
    assert not (tmp_path / "trapped").exists()
    pickle.loads(trap)
    assert (tmp_path / "trapped").exists(), "the trap has no effect, so this test proves nothing"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda key, members: None if key == TRAIN[2] else members, "its receipt says 3 pairs"),
        (lambda key, members: {name: data for name, data in members.items() if name != "kick.npy"}, "has no kick.npy"),
        (lambda key, members: {**members, "json": b"{}"}, "train-00000000.json does not describe tokens"),
        (
            lambda key, members: {**members, "json": b'{"tokens":{"frames":{"mix":99}}}'},
            "has no valid frames of mix",
        ),
        (lambda key, members: {**members, "mix.npy": members["kick.npy"]}, r"\[9, 90\] .* says \[9, 44\] below 1024"),
        (
            lambda key, members: {**members, "mix.npy": encode_codes(np.full((9, 44), 1024, np.uint16))},
            "codes up to 1024",
        ),
        (lambda key, members: {**members, "mix.npy": b"no array"}, "mix.npy: not tokens"),
    ],
)
def test_a_shard_with_wrong_content_is_named(
    copy: Path, change: Callable[[str, dict[str, bytes]], dict[str, bytes] | None], message: str
) -> None:
    rewrite(copy, change)
    with pytest.raises(ShardError, match=message):
        list(load_tokens(copy, "train"))


def test_a_truncated_or_missing_shard_is_named(copy: Path) -> None:
    tar = Layout(copy).tar("train-000001")
    tar.write_bytes(tar.read_bytes()[:5000])
    pairs = iter(load_audio(copy, "train"))
    assert keys(islice(pairs, 3)) == TRAIN[:3]
    with pytest.raises(ShardError, match=r"train-000001\.tar: 5000 bytes, its receipt says"):
        next(pairs)
    tar.unlink()
    with pytest.raises(ShardError, match=r"train-000001\.tar: cannot be read"):
        list(load_audio(copy, "train"))


@pytest.mark.parametrize("folder", ["a folder", "plain"])
def test_the_remedy_for_a_damaged_pair_names_the_data_set(encoded: Path, folder: str, tmp_path: Path) -> None:
    """As a shell takes it; also if the error comes from a decoder that does not know the data set."""
    copy = Path(shutil.copytree(encoded, tmp_path / folder))
    command = f"-> `rmod verify {shlex.quote(str(copy))}` "
    rewrite(copy, lambda _key, members: {**members, "mix.npy": b"no array"})
    with pytest.raises(ShardError, match=re.escape(command)):
        list(load_tokens(copy, "train"))
    tar = Layout(copy).tar("train-000001")
    tar.write_bytes(tar.read_bytes()[:5000])
    with pytest.raises(ShardError, match=re.escape(command)):
        list(load_audio(copy, "train"))
    tar, spoilt = Layout(copy).tar("valid-000000"), b"no sound at "
    with tarfile.open(on_disk(tar)) as file:
        start = file.getmember("valid-00000000.mix.wav").offset_data
    data = tar.read_bytes()
    tar.write_bytes(data[:start] + spoilt + data[start + len(spoilt) :])
    for read in (lambda: DataSet(copy).pair("valid-00000000"), lambda: list(DataSet(copy).pairs("valid"))):
        with pytest.raises(ShardError, match=re.escape(command)):
            read()


def test_an_invalid_audio_file_is_named(copy: Path) -> None:
    tar = Layout(copy).tar("train-000000")
    with tarfile.open(on_disk(tar)) as file:
        start = file.getmember("train-00000000.mix.wav").offset_data
    data = bytearray(tar.read_bytes())
    data[start : start + 12] = b"no sound at "
    tar.write_bytes(bytes(data))
    with pytest.raises(ShardError, match=r"train-00000000\.mix\.wav: not audio"):
        list(load_audio(copy, "train"))


def test_what_a_loader_needs_and_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(reading, "stream", raising=False)
    monkeypatch.setitem(sys.modules, "rmod_pipeline.reading.stream", None)
    with pytest.raises(UsageError, match=r"reading for training: needs .*stream"):
        import_stream()


def test_a_build_file_that_is_none_is_named() -> None:
    with pytest.raises(ShardError, match=r"not a build\.json"):
        _list_sounds({"recipe": {"drums": {"kick": None}}}, "out")  # type: ignore[arg-type]


def test_a_pair_or_a_split_that_is_not_there_is_named(encoded: Path) -> None:
    assert read_index_row(encoded, "train-00000009")["key"] == "train-00000009"
    with pytest.raises(ShardError, match=r"train-00000010: not in index/train-000003\.parquet"):
        read_index_row(encoded, "train-00000010")
    with pytest.raises(ShardError, match="no split 'vaild' \\(did you mean 'valid'"):
        next(DataSet(encoded).pairs("vaild"))


def test_a_data_set_that_keeps_nothing_is_named(tmp_path: Path) -> None:
    with pytest.raises(ShardError, match="stores neither audio nor tokens"):
        find_any_folder(tmp_path)
    with pytest.raises(ShardError, match="no tokens of mini"):
        read_family(tmp_path, "mini")


def test_a_pair_whose_json_knows_no_tokens_is_named(encoded: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    family = read_family(encoded, family_names(encoded)[0])
    monkeypatch.setattr(decoding, "read_pair_tokens", lambda *_: {"json": b"{}"})
    codec: Any = None
    with pytest.raises(ShardError, match="train-00000000: invalid tokens"):
        decoding.decode_pair(encoded, "train-00000000", family, codec)
    assert group_decoded_sounds(encoded, ["train-00000000"], [(codec, family)]) == {}
