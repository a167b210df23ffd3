"""`rmod encode` and `rmod decode`, and what the other commands make of tokens."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from rmod_pipeline.codec import open_codec
from rmod_pipeline.inspection.reproduction import ReproductionCheck
from rmod_pipeline.reading.pairs import list_keys, read_pair_tokens
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import read_members
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.shards.tokens import decode_codes
from tests.tiny_build import RATE, RECIPE, reproducible_files

Rmod = Callable[..., Any]


@pytest.fixture
def soundless(tiny_manifest: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod) -> Path:
    """The small data set with its tokens alone, built by the command."""
    recipe, out = tmp_path / "tiny.yaml", tmp_path / "out"
    recipe.write_text(RECIPE)
    asked = ["--library", tiny_manifest, "--out", out, "--pairs", "train=10,valid=2", "--shard-size", 3]
    tokens = ["--codec", tiny_weights, "--device", "cpu", "--batch", 4, "--no-audio"]
    assert rmod("build", recipe, *asked, *tokens).code == 0
    return out


def test_encode_gives_the_bytes_of_build_and_says_what_is_next(
    tiny_built: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    out = shutil.copytree(tiny_built, tmp_path / "out")
    said = rmod("encode", out, "--codec", tiny_weights, "--device", "cpu", "--batch", 4)
    assert said.code == 0, said
    assert "Encoded 12 pairs" in said.out
    assert "rmod decode" in said.out
    assert reproducible_files(out) == reproducible_files(tiny_tokens)
    again = rmod("encode", out, "--codec", tiny_weights, "--device", "cpu", "--batch", 4)
    assert "Nothing to do" in again.out


def test_a_build_without_sound_is_verified_shown_decoded_and_heard(
    soundless: Path, tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    sound = sum(path.stat().st_size for path in (tiny_tokens / "audio").glob("*.tar"))
    assert sum(path.stat().st_size for path in soundless.rglob("*") if path.is_file()) < sound
    assert rmod("verify", soundless, "--rerender", 3).code == 0
    assert "no audio" in rmod("show", soundless).out
    key = list_keys(soundless)[0]
    assert key in rmod("show", soundless, key).out
    assert rmod("decode", soundless, key, "--codec", tiny_weights, "--out", tmp_path / "listen").code == 0
    page = tmp_path / "page.html"
    assert rmod("preview", soundless, "--codec", tiny_weights, "--page", page, "--pairs", 2).code == 0
    assert key in page.read_text()
    unheard = rmod("preview", soundless, "--page", page)
    assert unheard.code == 2
    assert "--codec PATH" in unheard.err


def test_without_sound_what_comes_out_otherwise_is_found(soundless: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    reproduction, key = ReproductionCheck(soundless), list_keys(soundless)[0]
    assert reproduction.check(key) == []
    monkeypatch.setattr("rmod_pipeline.shards.members.encode_audio", lambda *_: b"another sound")
    assert {finding.about for finding in reproduction.check(key)} >= {f"{key}.mix.wav", f"{key}.kick.wav"}


def test_decode_writes_what_the_codec_makes_of_the_tokens(
    tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    key = list_keys(tiny_tokens)[0]
    said = rmod("decode", tiny_tokens, key, "--codec", tiny_weights, "--out", tmp_path / "listen")
    assert said.code == 0, said
    family = read_family(tiny_tokens, family_names(tiny_tokens)[0])
    codec = open_codec(str(tiny_weights), device="cpu")
    members = read_pair_tokens(tiny_tokens, key, family)
    frames = json.loads(members["json"])["tokens"]["frames"]
    for sound in ("mix", "kick", "snare"):
        heard, rate = soundfile.read(tmp_path / "listen" / f"{key}.{sound}.wav", dtype="float32")
        wanted = codec.decode(decode_codes(members[f"{sound}.npy"], sound)[None])[0]
        assert rate == RATE
        assert len(heard) == frames[sound] * family.codec["hop"]
        np.testing.assert_allclose(heard, np.clip(wanted[: len(heard)], -1, 1), atol=2e-4)


def test_the_page_plays_decoded_tokens_beside_the_sound(
    tiny_tokens: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    page = tmp_path / "page.html"
    said = rmod("preview", tiny_tokens, "--codec", tiny_weights, "--page", page, "--pairs", 2)
    assert said.code == 0, said
    name = family_names(tiny_tokens)[0]
    assert page.read_text().count(f"Decoded from tokens of {name}") == 2
    without = rmod("preview", tiny_tokens, "--page", page, "--pairs", 2)
    assert without.code == 0, without
    assert "Decoded from tokens" not in page.read_text()


@pytest.mark.parametrize("audio", ["--audio", "--no-audio"])
def test_a_lower_precision_tells_what_it_changed(
    audio: str, tiny_manifest: Path, tiny_weights: Path, tmp_path: Path, rmod: Rmod
) -> None:
    recipe = tmp_path / "tiny.yaml"
    recipe.write_text(RECIPE)
    asked = ["--library", tiny_manifest, "--out", tmp_path / "out", "--pairs", "train=3", "--shard-size", 3]
    said = rmod("build", recipe, *asked, "--codec", tiny_weights, "--device", "cpu", "--precision", "bf16", audio)
    assert said.code == 0, said
    share = re.search(r"bf16: ([\d.]+)% of the tokens of 3 mixtures differ from fp32's", said.out)
    assert share, said.out
    assert 0 < float(share[1]) < 60


def test_the_sum_of_a_data_set_tells_its_tokens(tiny_tokens: Path, rmod: Rmod) -> None:
    said = rmod("show", tiny_tokens)
    assert family_names(tiny_tokens)[0] in said.out


def test_the_sound_beside_tokens_is_untouched(tiny_built: Path, tiny_tokens: Path) -> None:
    key = list_keys(tiny_built)[0]
    one, other = (read_members(Layout(out).tar("train-000000"), key) for out in (tiny_built, tiny_tokens))
    assert one == other
