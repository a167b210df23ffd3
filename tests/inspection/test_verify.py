"""`rmod verify` finds every kind of damage to audio shards, and nothing in an intact data set."""

from __future__ import annotations

import csv
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from rmod_pipeline.errors import LibraryError, ShardError
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.tar import TarWriter, read_tar
from tests.inspection.tampering import (
    FIRST_KEY,
    SHARD,
    edit_index,
    edit_json,
    edit_receipt,
    edit_tar,
    flip_bit,
    forge_receipt,
    swap_files,
)
from tests.tiny_build import make_job, make_library, on_disk, reproducible_files


def rename_key(rows: list[dict[str, Any]]) -> None:
    rows[0]["key"] = "train-00000009"


def replace_licences(rows: list[dict[str, Any]]) -> None:
    for source in rows[0]["sources"]:
        source["licence"] = "CC0-1.0"
    rows[0]["licences"] = ["CC0-1.0"]


def change_licence_list(rows: list[dict[str, Any]]) -> None:
    rows[0]["licences"] = ["nobody's"]


def change_loudness(rows: list[dict[str, Any]]) -> None:
    rows[1]["lufs"] += 1.0


def drop_row(rows: list[dict[str, Any]]) -> None:
    rows.pop()


def duplicate_row(rows: list[dict[str, Any]]) -> None:
    rows[1] = rows[0]


def change_attempt(rows: list[dict[str, Any]]) -> None:
    rows[0]["attempt"] = 1


def change_split(rows: list[dict[str, Any]]) -> None:
    rows[0]["split"] = "valid"


def remove_midi(content: dict[str, dict[str, bytes]]) -> None:
    del content[FIRST_KEY]["mid"]


def move_first_pair(content: dict[str, dict[str, bytes]]) -> None:
    first = content.pop(FIRST_KEY)
    content[FIRST_KEY] = first


def change_seed(content: dict[str, dict[str, bytes]]) -> None:
    content[FIRST_KEY]["json"] = content[FIRST_KEY]["json"].replace(b'"seed":0', b'"seed":1')


def change_asset(content: dict[str, dict[str, bytes]]) -> None:
    description = json.loads(content[FIRST_KEY]["json"])
    description["sources"][0]["id"] = "kick/train-9"
    content[FIRST_KEY]["json"] = json.dumps(description).encode()


def replace_json(content: dict[str, dict[str, bytes]]) -> None:
    content[FIRST_KEY]["json"] = b"[" * 100_000


def then_forge(damage: Callable[[Path], object]) -> Callable[[Path], None]:
    """Return a function that damages a data set and then forges the receipt of the shard."""

    def damage_and_forge(out: Path) -> None:
        damage(out)
        forge_receipt(out)

    return damage_and_forge


DAMAGES: dict[str, tuple[Callable[[Path], object], str]] = {
    "a flipped byte in a tar": (lambda out: flip_bit(on_disk(Layout(out).tar(SHARD)), 5000), "its checksum differs"),
    "a flipped byte in an index": (
        lambda out: flip_bit(on_disk(Layout(out).index(SHARD)), 500),
        "its checksum differs",
    ),
    "a tar cut in half": (
        lambda out: os.truncate(on_disk(Layout(out).tar(SHARD)), 20_000),
        "20000 bytes, its receipt says",
    ),
    "a tar cut in half, its receipt forged": (
        then_forge(lambda out: os.truncate(on_disk(Layout(out).tar(SHARD)), 20_000)),
        "not a whole tar",
    ),
    "a tar cut between two files, its receipt forged": (
        then_forge(lambda out: os.truncate(on_disk(Layout(out).tar(SHARD)), second_file_offset(out))),
        "not a whole tar",
    ),
    "a missing tar": (lambda out: Layout(out).tar(SHARD).unlink(), "missing"),
    "a missing index": (lambda out: Layout(out).index(SHARD).unlink(), "missing"),
    "a missing receipt": (lambda out: Layout(out).receipt(SHARD).unlink(), "has no receipt"),
    "a tar without receipt": (
        lambda out: shutil.copy(on_disk(Layout(out).tar(SHARD)), on_disk(Layout(out).tar("train-000009"))),
        "has no receipt",
    ),
    "a receipt of no shard": (
        lambda out: shutil.copy(on_disk(Layout(out).receipt(SHARD)), on_disk(Layout(out).receipt("train-000009"))),
        "not the receipt of a shard",
    ),
    "a receipt under another name": (
        lambda out: shutil.copy(on_disk(Layout(out).receipt(SHARD)), on_disk(Layout(out).receipt("train-000002"))),
        "not the receipt of a shard",
    ),
    "an empty receipt": (lambda out: on_disk(Layout(out).receipt(SHARD)).write_text(""), "not a receipt"),
    "a receipt that counts one pair less": (lambda out: edit_receipt(out, pairs=2), "3 pairs in the index, 2 in"),
    "a receipt that counts rejects": (lambda out: edit_receipt(out, rejects={"silent kick": 1}), "in the receipt"),
    "a receipt with an absent key": (lambda out: edit_receipt(out, absent=[FIRST_KEY], pairs=2), "inconsistent"),
    "a receipt with an unknown absent key": (lambda out: edit_receipt(out, absent=["x"]), "in the receipt"),
    "a receipt of other pairs": (lambda out: edit_receipt(out, first=0), "has other pairs"),
    "a receipt without files": (lambda out: edit_receipt(out, files=[]), "does not list exactly"),
    "a receipt of another fingerprint": (lambda out: edit_receipt(out, fingerprint="0" * 64), "another build.json"),
    "another seed in build.json": (
        lambda out: edit_json(out / "build.json", lambda content: content.update(seed=1)),
        "another build.json",
    ),
    "more pairs in build.json": (
        lambda out: edit_json(out / "build.json", lambda content: content["pairs"].update(test=2)),
        "1 of 1 shards are not made yet",
    ),
    "an index with another key": (lambda out: edit_index(out, rename_key), "not one of its pairs"),
    "an index with another split": (lambda out: edit_index(out, change_split), "not one of its pairs"),
    "an index without a row": (lambda out: edit_index(out, drop_row), "inconsistent"),
    "an index with a row twice": (lambda out: edit_index(out, duplicate_row), "inconsistent"),
    "an index with another attempt": (lambda out: edit_index(out, change_attempt), "inconsistent"),
    "an index with another level": (lambda out: edit_index(out, change_loudness), "disagree"),
    "an index with other licences": (lambda out: edit_index(out, change_licence_list), "not those of its sounds"),
    "an index with other licences throughout": (lambda out: edit_index(out, replace_licences), "disagree"),
    "an index with other columns": (
        then_forge(lambda out: pq.write_table(pa.table({"key": ["x"]}), Layout(out).index(SHARD))),
        "not the index of a shard",
    ),
    "an index that is not Parquet": (
        then_forge(lambda out: Layout(out).index(SHARD).write_bytes(b"PAR1")),
        "not an index",
    ),
    "a file exchanged in the tar alone": (
        lambda out: edit_tar(out, swap_files("mix.wav"), forge_index=False),
        "its files differ",
    ),
    "two JSONs exchanged, all else forged": (lambda out: edit_tar(out, swap_files("json")), "disagree"),
    "two pairs in another order, all else forged": (lambda out: edit_tar(out, move_first_pair), "in that order"),
    "a file left out, all else forged": (lambda out: edit_tar(out, remove_midi), "build.json requires"),
    "another seed in a JSON, all else forged": (lambda out: edit_tar(out, change_seed), "disagree"),
    "another sound in a JSON, all else forged": (lambda out: edit_tar(out, change_asset), "disagree"),
    "an invalid JSON, all else forged": (lambda out: edit_tar(out, replace_json), "disagree"),
}
"""How to damage the data set, and a part of the finding, by name."""


def second_file_offset(out: Path) -> int:
    """Return the offset of the second file in the tar."""
    with tarfile.open(on_disk(Layout(out).tar(SHARD))) as tar:
        return tar.getmembers()[1].offset


def test_a_finished_data_set_has_no_findings(tiny_built: Path, rmod: Callable[..., Any]) -> None:
    result = rmod("verify", tiny_built, "--rerender", 100)
    assert result.code == 0
    assert "5 shards, 12 pairs" in result.out
    assert "12 pairs rendered again: 12 the same bit by bit, 0 not." in result.out
    assert "composed again too" in result.out


@pytest.mark.parametrize("damage", DAMAGES)
def test_damage_is_found(damage: str, out: Path, rmod: Callable[..., Any]) -> None:
    apply_damage, message = DAMAGES[damage]
    apply_damage(out)
    result = rmod("verify", out, "--compare", 0)
    assert result.code == 1, result
    assert message in result.out
    assert "Traceback" not in result.err


def test_the_remedy_of_verify_rebuilds_a_damaged_shard(
    out: Path, tiny_built: Path, rmod: Callable[..., Any], tiny_manifest: Path
) -> None:
    flip_bit(on_disk(Layout(out).tar(SHARD)), 5000)
    result = rmod("verify", out, "--compare", 0)
    remedy = next(line for line in result.out.splitlines() if line.strip().startswith("rm "))
    for name in remedy.split()[1:]:
        Path(name).unlink()
    assert run_build(make_job(tiny_manifest, out), local_executor(1), BuildProgress()).made == 3
    assert reproducible_files(out) == reproducible_files(tiny_built)


@pytest.mark.parametrize("column", ["sha256", "group"])
def test_a_sound_or_a_group_in_two_splits_is_found(
    column: str, tmp_path: Path, rmod: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The cause is an edited manifest, as it can happen in practice."""
    manifest = make_library(tmp_path / "library")
    with manifest.open() as file:
        rows = list(csv.DictReader(file))
    kicks = [row for row in rows if row["kind"] == "kick" and row["split"] != "test"]
    sound = (manifest.parent / kicks[0]["path"]).read_bytes()
    for row in kicks:
        row[column] = kicks[0][column]
        if column == "sha256":
            (manifest.parent / row["path"]).write_bytes(sound)
    with manifest.open("w", newline="") as file:
        writer = csv.DictWriter(file, rows[0])
        writer.writeheader()
        writer.writerows(rows)
    if column == "group":
        with pytest.raises(LibraryError, match="is in train and valid"):
            run_build(make_job(manifest, tmp_path / "out"), local_executor(1), BuildProgress())
        monkeypatch.setattr("rmod_pipeline.pipeline.run.check_groups", lambda library: None)
    run_build(make_job(manifest, tmp_path / "out"), local_executor(1), BuildProgress())
    result = rmod("verify", tmp_path / "out", "--compare", 0)
    assert result.code == 1
    assert "used in train and valid" in result.out


def test_an_unfinished_data_set_is_reported(out: Path, rmod: Callable[..., Any]) -> None:
    layout = Layout(out)
    for path in (layout.receipt(SHARD), layout.tar(SHARD), layout.index(SHARD)):
        path.unlink()
    result = rmod("verify", out)
    assert result.code == 1
    assert "split train: 1 of 4 shards are not made yet, train-000001 the first" in result.out


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"recipe": {}}', "[" * 100_000])
def test_a_folder_without_a_data_set_is_refused(content: str | None, tmp_path: Path, rmod: Callable[..., Any]) -> None:
    if content is not None:
        (tmp_path / "build.json").write_text(content)
    for arguments in (["verify"], ["show"], ["show", "--keys"]):
        result = rmod(arguments[0], tmp_path, *arguments[1:])
        assert result.code == 2
        assert "build.json" in result.err or "no finished shards" in result.err
        assert "->" in result.err
        assert "Traceback" not in result.err


def test_a_tar_with_a_duplicate_name_is_refused(tmp_path: Path) -> None:
    """Readers would disagree about which of the two files is valid."""
    path = tmp_path / "twice.tar"
    with TarWriter(path) as writer:
        writer.add("train-00000000", {"mid": b"one"})
        writer.add("train-00000000", {"mid": b"two"})
    with pytest.raises(ShardError, match="twice"):
        list(read_tar(path))
