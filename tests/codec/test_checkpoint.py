"""Checkpoints are read without running code; broken, changed and foreign files are refused."""

from __future__ import annotations

import hashlib
import importlib
import os
import pickle
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
import torch

from rmod_pipeline.codec import descript, open_codec
from rmod_pipeline.codec.catalogue import KNOWN, find_weights
from rmod_pipeline.codec.checkpoint import load_codec_model, read_codec_checkpoint
from rmod_pipeline.codec.torch_support import require_torch
from rmod_pipeline.errors import CodecError
from tests.tiny_codec import TINY, noise, save_tiny


class MaliciousPickle:
    """An object that creates a folder when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.mark),)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol 4")
@pytest.mark.parametrize("protocol", [2, 4])
def test_a_pickle_with_code_is_refused_and_not_run(tmp_path: Path, protocol: int) -> None:
    mark, plain, zipped = tmp_path / "it ran", tmp_path / "plain.pth", tmp_path / "zipped.pth"
    plain.write_bytes(pickle.dumps({"state_dict": MaliciousPickle(mark)}, protocol=protocol))
    torch.save({"state_dict": MaliciousPickle(mark), "metadata": {"kwargs": {}}}, zipped)
    for path in (plain, zipped):
        with pytest.raises(CodecError, match="refused"):
            read_codec_checkpoint(path)
    assert not mark.exists()


def test_another_checksum_is_refused_with_both(tiny: Path) -> None:
    sha256 = hashlib.sha256(tiny.read_bytes()).hexdigest()
    assert read_codec_checkpoint(tiny, sha256).sha256 == sha256
    with pytest.raises(CodecError, match=f"{sha256}.*expected {'0' * 64}"):
        read_codec_checkpoint(tiny, "0" * 64)


@pytest.mark.parametrize("damage", ["empty", "text", "cut", "flipped"])
def test_a_broken_file_is_named(tiny: Path, tmp_path: Path, damage: str) -> None:
    data = tiny.read_bytes()
    broken = {
        "empty": b"",
        "text": b"<html>404</html>",
        "cut": data[: len(data) // 2],
        "flipped": data[:200] + bytes(100) + data[300:],
    }[damage]
    path = tmp_path / "broken.pth"
    path.write_bytes(broken)
    with pytest.raises(CodecError, match=r"broken\.pth"):
        read_codec_checkpoint(path)


def test_a_file_that_is_not_a_dac_checkpoint_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.pth"
    state = {"weight": torch.zeros(2)}
    for content in (
        [1, 2],
        {"model": state},
        {"state_dict": state},
        {"state_dict": state, "metadata": {"kwargs": 3}},
        {"state_dict": {"weight": 3}, "metadata": {"kwargs": TINY}},
        {"state_dict": {"weight": torch.full((2,), float("nan"))}, "metadata": {"kwargs": TINY}},
    ):
        torch.save(content, path)
        with pytest.raises(CodecError):
            read_codec_checkpoint(path)


def test_weights_of_another_shape_are_refused(tiny: Path, tmp_path: Path) -> None:
    content = torch.load(tiny, weights_only=True)
    content["metadata"]["kwargs"]["latent_dim"] = 24
    torch.save(content, tmp_path / "wrong.pth")
    with pytest.raises(CodecError, match="do not fit"):
        load_codec_model(read_codec_checkpoint(tmp_path / "wrong.pth"))
    content["metadata"]["kwargs"]["no_such_argument"] = 1
    torch.save(content, tmp_path / "wrong.pth")
    with pytest.raises(CodecError, match="do not fit"):
        load_codec_model(read_codec_checkpoint(tmp_path / "wrong.pth"))


def test_missing_weights_give_a_hint(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path))
    with pytest.raises(CodecError, match="rmod codec fetch dac-44khz"):
        open_codec("dac-44khz")
    with pytest.raises(CodecError, match="did you mean 'dac-44khz'"):
        open_codec("dac-44")
    with pytest.raises(CodecError, match="is a folder"):
        open_codec(str(tmp_path))


def test_downloaded_weights_are_verified_when_they_are_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RMOD_CACHE", str(tmp_path))
    path = KNOWN["dac-44khz"].path
    path.parent.mkdir(parents=True)
    save_tiny(path)
    assert find_weights("dac-44khz")[1] == path
    with pytest.raises(CodecError, match="expected a88eed82"):
        open_codec("dac-44khz")


def test_halved_weights_are_read_as_float32(tmp_path: Path) -> None:
    model = load_codec_model(read_codec_checkpoint(save_tiny(tmp_path / "half.pth", half=True)))
    assert {value.dtype for value in model.state_dict().values()} == {torch.float32}


def test_folding_the_weight_norm_changes_no_token(tiny: Path) -> None:
    audio = noise(2, 8_192)
    model = load_codec_model(read_codec_checkpoint(tiny))
    with torch.no_grad():
        expected = model.encode(torch.from_numpy(audio)[:, None])[1].numpy()
    np.testing.assert_array_equal(open_codec(str(tiny), device="cpu", batch=2).encode(audio), expected)


def _refuse_import(name: str, missing: str) -> ModuleType:
    if name == missing:
        raise ImportError(f"No module named {missing!r}")
    return ModuleType(name)


def test_a_package_that_is_missing_is_named_with_its_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "dac", raising=False)
    monkeypatch.setattr(importlib, "import_module", lambda name: _refuse_import(name, "dac"))
    assert descript.can_import_audiotools()
    with pytest.raises(CodecError, match="descript-audio-codec: not installed: No module named 'dac'"):
        descript.import_dac()
    monkeypatch.setattr(importlib, "import_module", lambda name: _refuse_import(name, "torch"))
    with pytest.raises(CodecError, match="torch: not installed") as caught:
        require_torch(CodecError, "codec")
    assert "rmod-pipeline[codec]" in caught.value.hint


def test_what_stands_in_for_audiotools_cannot_be_used() -> None:
    package = descript._make_placeholders()["audiotools"]
    with pytest.raises(CodecError, match="descript-audiotools: cannot be imported"):
        package.AudioSignal("song.wav")
