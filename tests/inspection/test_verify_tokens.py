"""`rmod verify` finds every kind of damage to tokens."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.inspection.findings import VerifyReport, read_expected_content
from rmod_pipeline.inspection.verify import verify_shards
from rmod_pipeline.inspection.verify_tokens import TokenCheck
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.receipt import FileRecord
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.shards.tokens import encode_codes
from rmod_pipeline.storage import StoreError
from tests.tiny_build import on_disk

SHARD = "train-000001"


@pytest.fixture
def out(tiny_tokens: Path, tmp_path: Path) -> Path:
    return shutil.copytree(tiny_tokens, tmp_path / "out")


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text(encoding="utf-8"))
    change(content)
    path.write_text(json.dumps(content), encoding="utf-8")


def family_of(out: Path) -> str:
    return f"tokens/{family_names(out)[0]}"


def flip_bit(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[700] ^= 1
    path.write_bytes(data)


def rewrite(out: Path, change: Callable[[list[tuple[str, dict[str, bytes]]]], Any]) -> None:
    """Rewrite the tar of the shard with changed pairs, and forge its receipt to fit."""
    layout, family = Layout(out), family_of(out)
    tar = layout.tar(SHARD, family)
    pairs = change(list(read_tar(tar)))
    with TarWriter(on_disk(tar)) as writer:
        for key, members in pairs:
            writer.add(key, members)
    files = [asdict(FileRecord.of(on_disk(tar), layout.relative(tar)))]
    edit_json(on_disk(layout.receipt(SHARD, family)), lambda content: content.update(files=files))


def forge(out: Path, change: Callable[[dict[str, bytes]], dict[str, bytes]]) -> None:
    rewrite(out, lambda pairs: [(key, change(members)) for key, members in pairs])


def with_member(name: str, data: bytes) -> Callable[[dict[str, bytes]], dict[str, bytes]]:
    return lambda members: {**members, name: data}


def change_frames(members: dict[str, bytes]) -> dict[str, bytes]:
    content = json.loads(members["json"])
    content["tokens"]["frames"]["kick"] = 91
    return {**members, "json": json.dumps(content).encode()}


def change_index(members: dict[str, bytes]) -> dict[str, bytes]:
    content = json.loads(members["json"])
    content["spec"]["address"]["index"] += 1
    return {**members, "json": json.dumps(content).encode()}


def codes(frames: int, token: int = 0) -> bytes:
    return encode_codes(np.full((9, frames), token, np.uint16))


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte": (
        lambda out: flip_bit(on_disk(Layout(out).tar(SHARD, family_of(out)))),
        "its checksum differs from that in its receipt",
    ),
    "a missing tar": (lambda out: Layout(out).tar(SHARD, family_of(out)).unlink(), "missing"),
    "a missing receipt": (
        lambda out: Layout(out).receipt(SHARD, family_of(out)).unlink(),
        "1 of 5 shards have no tokens yet",
    ),
    "a token out of range": (lambda out: forge(out, with_member("kick.npy", codes(90, 1024))), "kick has token 1024"),
    "another window": (lambda out: forge(out, with_member("kick.npy", codes(40))), "kick is [9, 40]"),
    "an extra file": (lambda out: forge(out, with_member("tom.npy", codes(90))), "holds mix.npy"),
    "a file that is not an array": (lambda out: forge(out, with_member("kick.npy", b"hello")), "not tokens"),
    "a true length beyond the window": (lambda out: forge(out, change_frames), "its JSON disagrees"),
    "a JSON without tokens": (lambda out: forge(out, with_member("json", b"{}")), "its JSON disagrees"),
    "a receipt under another name": (
        lambda out: shutil.copy(
            on_disk(Layout(out).receipt(SHARD, family_of(out))),
            on_disk(Layout(out).receipt("train-000099", family_of(out))),
        ),
        "not the receipt of a shard of this data set",
    ),
    "the JSON of another pair": (lambda out: forge(out, change_index), "its JSON disagrees"),
    "pairs in another order": (
        lambda out: rewrite(out, lambda pairs: pairs[::-1]),
        "its keys are not those of the index",
    ),
    "a receipt of other tokens": (
        lambda out: edit_json(
            on_disk(Layout(out).receipt(SHARD, family_of(out))), lambda content: content.update(fingerprint="0" * 64)
        ),
        "belongs to another codec.json",
    ),
    "a codec.json of another data set": (
        lambda out: edit_json(
            on_disk(Layout(out).codec(family_of(out))), lambda content: content.update(build="0" * 64)
        ),
        "belong to another build.json",
    ),
    "a codec.json with another window": (
        lambda out: edit_json(
            on_disk(Layout(out).codec(family_of(out))), lambda content: content["windows"].update(kick=40)
        ),
        "those of the recipe are",
    ),
    "an empty codec.json": (
        lambda out: on_disk(Layout(out).codec(family_of(out))).write_text("{}"),
        "not the description of a family of tokens",
    ),
    "a folder without codec.json": (
        lambda out: Layout(out).codec(family_of(out)).unlink(),
        "has no codec.json",
    ),
    "a folder that was renamed": (
        lambda out: (out / family_of(out)).rename(out / "tokens" / "mini-00000000"),
        "but its folder is mini-00000000",
    ),
}


def test_intact_tokens_have_no_findings(tiny_tokens: Path, rmod: Callable[..., Any]) -> None:
    result = rmod("verify", tiny_tokens)
    assert result.code == 0, result
    assert f"12 pairs as tokens of {read_family(tiny_tokens, family_names(tiny_tokens)[0]).name}" in result.out


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(damage: str, out: Path, rmod: Callable[..., Any]) -> None:
    apply_damage, message = DAMAGES[damage]
    apply_damage(out)
    result = rmod("verify", out)
    assert result.code == 1, result
    assert message in " ".join(result.out.split())
    assert "Traceback" not in result.err


def test_a_recipe_that_the_tokens_do_not_fit_is_found(out: Path) -> None:
    layout = Layout(out)
    edit_json(on_disk(layout.build), lambda content: content["recipe"].update(grid=-1))
    digest = read_expected_content(out).digest
    edit_json(on_disk(layout.codec(family_of(out))), lambda content: content.update(build=digest))
    report = VerifyReport()
    TokenCheck(out, read_expected_content(out), report).run()
    assert [finding for finding in report.findings if finding.found.startswith("does not fit the recipe")]


@pytest.mark.parametrize(
    "function", ["verify_tokens.read_family", "verify_windows.read_receipt", "verify.read_receipt"]
)
def test_a_store_that_does_not_answer_is_no_damage(
    function: str, tiny_tokens: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise StoreError("s3://bucket", "does not answer", "")

    monkeypatch.setattr(f"rmod_pipeline.inspection.{function}", fail)
    with pytest.raises(StoreError):
        report = verify_shards(tiny_tokens)
        TokenCheck(tiny_tokens, read_expected_content(tiny_tokens), report).run()
