"""Whatever is done to a finished data set, verify finds it; and it finds nothing in one to which nothing was done."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import soundfile

from rmod_pipeline.errors import LibraryError, ShardError
from rmod_pipeline.inspection.proof import open_sounds
from rmod_pipeline.inspection.rerender import rerender
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.pairs import read_pair
from rmod_pipeline.render import render_pair
from rmod_pipeline.shards.index import SCHEMA, make_pair_row
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.shards.members import AudioStorage, encode_members
from rmod_pipeline.shards.receipt import FileRecord, read_receipt
from rmod_pipeline.shards.tar import TarWriter, read_tar
from rmod_pipeline.spec import PairSpec
from tests.tiny_build import make_job, make_library, promised

Plant = Callable[[Path], None]
SHARD = "train-000001"
FIRST = "train-00000003"


@pytest.fixture
def out(tiny_built: Path, tmp_path: Path) -> Path:
    """A copy of the finished data set, to damage."""
    shutil.copytree(tiny_built, tmp_path / "out")
    return tmp_path / "out"


def edit_json(path: Path, change: Callable[[dict[str, Any]], object]) -> None:
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content, indent=1) + "\n")


def edit_receipt(out: Path, **changes: object) -> None:
    edit_json(Layout(out).receipt(SHARD), lambda content: content.update(changes))


def vouch(out: Path) -> None:
    """Make a shard's receipt vouch for the files that lie there, as a forger would."""
    layout = Layout(out)
    receipt = read_receipt(layout.receipt(SHARD))
    files = tuple(FileRecord.of(out / file.path, file.path) for file in receipt.files)
    layout.receipt(SHARD).write_bytes(replace(receipt, files=files).to_json())


def edit_index(out: Path, change: Callable[[list[dict[str, Any]]], object]) -> None:
    path = Layout(out).index(SHARD)
    rows = pq.read_table(path).to_pylist()
    change(rows)
    pq.write_table(pa.Table.from_pylist(rows, schema=SCHEMA), path)
    vouch(out)


def edit_tar(out: Path, change: Callable[[dict[str, dict[str, bytes]]], object], consistent: bool = True) -> None:
    """Change a tar's files by key and suffix; make index and receipt say the same, as a forger would."""
    path = Layout(out).tar(SHARD)
    content = dict(read_tar(path))
    change(content)
    with TarWriter(path) as writer:
        for key, members in content.items():
            writer.add(key, members)

    def follow(rows: list[dict[str, Any]]) -> None:
        for row in rows:
            row["members"] = [
                {"name": name, "bytes": len(data), "sha256": sha256(data).hexdigest()}
                for name, data in content[row["key"]].items()
            ]

    if consistent:
        edit_index(out, follow)
    else:
        vouch(out)


def flip(path: Path, at: int) -> None:
    data = bytearray(path.read_bytes())
    data[at] ^= 1
    path.write_bytes(data)


def swap(name: str) -> Callable[[dict[str, dict[str, bytes]]], None]:
    def change(content: dict[str, dict[str, bytes]]) -> None:
        one, other, *_ = content.values()
        one[name], other[name] = other[name], one[name]

    return change


def rename_key(rows: list[dict[str, Any]]) -> None:
    rows[0]["key"] = "train-00000009"


def forget_licence(rows: list[dict[str, Any]]) -> None:
    for source in rows[0]["sources"]:
        source["licence"] = "CC0-1.0"
    rows[0]["licences"] = ["CC0-1.0"]


def wrong_licences(rows: list[dict[str, Any]]) -> None:
    rows[0]["licences"] = ["nobody's"]


def louder(rows: list[dict[str, Any]]) -> None:
    rows[1]["lufs"] += 1.0


def drop_row(rows: list[dict[str, Any]]) -> None:
    rows.pop()


def twice(rows: list[dict[str, Any]]) -> None:
    rows[1] = rows[0]


def later_attempt(rows: list[dict[str, Any]]) -> None:
    rows[0]["attempt"] = 1


def other_split(rows: list[dict[str, Any]]) -> None:
    rows[0]["split"] = "valid"


def leave_out(content: dict[str, dict[str, bytes]]) -> None:
    del content[FIRST]["mid"]


def reorder(content: dict[str, dict[str, bytes]]) -> None:
    first = content.pop(FIRST)
    content[FIRST] = first


def other_seed(content: dict[str, dict[str, bytes]]) -> None:
    content[FIRST]["json"] = content[FIRST]["json"].replace(b'"seed":0', b'"seed":1')


def other_asset(content: dict[str, dict[str, bytes]]) -> None:
    described = json.loads(content[FIRST]["json"])
    described["sources"][0]["id"] = "kick/train-9"
    content[FIRST]["json"] = json.dumps(described).encode()


def no_json(content: dict[str, dict[str, bytes]]) -> None:
    content[FIRST]["json"] = b"[" * 100_000


PLANTS: dict[str, tuple[Plant, str]] = {
    "a flipped byte in a tar": (lambda out: flip(Layout(out).tar(SHARD), 5000), "not those that its receipt"),
    "a flipped byte in an index": (lambda out: flip(Layout(out).index(SHARD), 500), "not those that its receipt"),
    "a tar cut in half": (lambda out: os.truncate(Layout(out).tar(SHARD), 20_000), "20000 bytes, its receipt says"),
    "a tar cut in half, its receipt forged": (
        lambda out: (os.truncate(Layout(out).tar(SHARD), 20_000), vouch(out)),
        "not a whole tar",
    ),
    "a tar cut between two files, its receipt forged": (
        lambda out: (os.truncate(Layout(out).tar(SHARD), first_bytes(out)), vouch(out)),
        "not a whole tar",
    ),
    "a missing tar": (lambda out: Layout(out).tar(SHARD).unlink(), "missing"),
    "a missing index": (lambda out: Layout(out).index(SHARD).unlink(), "missing"),
    "a missing receipt": (lambda out: Layout(out).receipt(SHARD).unlink(), "no receipt vouches for it"),
    "a tar that no receipt vouches for": (
        lambda out: shutil.copy(Layout(out).tar(SHARD), Layout(out).tar("train-000009")),
        "no receipt vouches for it",
    ),
    "a receipt too many": (
        lambda out: shutil.copy(Layout(out).receipt(SHARD), Layout(out).receipt("train-000009")),
        "the receipt of no shard",
    ),
    "a receipt in another's place": (
        lambda out: shutil.copy(Layout(out).receipt(SHARD), Layout(out).receipt("train-000002")),
        "the receipt of no shard",
    ),
    "an empty receipt": (lambda out: Layout(out).receipt(SHARD).write_text(""), "not a receipt"),
    "a receipt that counts one pair less": (lambda out: edit_receipt(out, pairs=2), "3 pairs in the index, 2 in"),
    "a receipt that counts rejects": (lambda out: edit_receipt(out, rejects={"silent kick": 1}), "in the receipt"),
    "a receipt with an absent key": (lambda out: edit_receipt(out, absent=[FIRST], pairs=2), "one story"),
    "a receipt with a key that is none": (lambda out: edit_receipt(out, absent=["x"]), "in the receipt"),
    "a receipt of other pairs": (lambda out: edit_receipt(out, first=0), "does not hold the pairs"),
    "a receipt that vouches for nothing": (lambda out: edit_receipt(out, files=[]), "does not vouch for"),
    "a receipt of another fingerprint": (lambda out: edit_receipt(out, fingerprint="0" * 64), "another build.json"),
    "another seed in build.json": (
        lambda out: edit_json(out / "build.json", lambda content: content.update(seed=1)),
        "another build.json",
    ),
    "more pairs in build.json": (
        lambda out: edit_json(out / "build.json", lambda content: content["pairs"].update(test=2)),
        "1 of 1 shards are not made yet",
    ),
    "an index with another key": (lambda out: edit_index(out, rename_key), "none of its pairs"),
    "an index with another split": (lambda out: edit_index(out, other_split), "none of its pairs"),
    "an index without a row": (lambda out: edit_index(out, drop_row), "one story"),
    "an index with a row twice": (lambda out: edit_index(out, twice), "one story"),
    "an index with another attempt": (lambda out: edit_index(out, later_attempt), "one story"),
    "an index with another level": (lambda out: edit_index(out, louder), "do not tell the same"),
    "an index with other licences": (lambda out: edit_index(out, wrong_licences), "not those of its sounds"),
    "an index with other licences throughout": (lambda out: edit_index(out, forget_licence), "do not tell the same"),
    "an index with other columns": (
        lambda out: (pq.write_table(pa.table({"key": ["x"]}), Layout(out).index(SHARD)), vouch(out)),
        "not the index of a shard",
    ),
    "an index that is no Parquet": (
        lambda out: (Layout(out).index(SHARD).write_bytes(b"PAR1"), vouch(out)),
        "not an index",
    ),
    "a file exchanged in the tar alone": (
        lambda out: edit_tar(out, swap("mix.wav"), False),
        "not those that the index",
    ),
    "two JSONs exchanged, all else forged": (lambda out: edit_tar(out, swap("json")), "do not tell the same"),
    "two pairs in another order, all else forged": (lambda out: edit_tar(out, reorder), "in that order"),
    "a file left out, all else forged": (lambda out: edit_tar(out, leave_out), "build.json asks for"),
    "another seed in a JSON, all else forged": (lambda out: edit_tar(out, other_seed), "do not tell the same"),
    "another sound in a JSON, all else forged": (lambda out: edit_tar(out, other_asset), "do not tell the same"),
    "a JSON that is none, all else forged": (lambda out: edit_tar(out, no_json), "do not tell the same"),
}
"""What is done, and the words in which it is found."""


def first_bytes(out: Path) -> int:
    """Return where the tar's second file begins."""
    with tarfile.open(Layout(out).tar(SHARD)) as tar:
        return tar.getmembers()[1].offset


def test_nothing_is_found_in_a_data_set_as_it_was_built(tiny_built: Path, rmod: Callable[..., Any]) -> None:
    said = rmod("verify", tiny_built, "--rerender", 100)
    assert said.code == 0
    assert "5 shards, 12 pairs" in said.out
    assert "12 pairs rendered again: 12 the same bit by bit, 0 not." in said.out
    assert "composed again too" in said.out


@pytest.mark.parametrize("plant", PLANTS)
def test_damage_is_found(plant: str, out: Path, rmod: Callable[..., Any]) -> None:
    act, words = PLANTS[plant]
    act(out)
    said = rmod("verify", out, "--compare", 0)
    assert said.code == 1, said
    assert words in said.out
    assert "Traceback" not in said.err


def test_a_damaged_shard_is_made_anew_as_verify_says(
    out: Path, tiny_built: Path, rmod: Callable[..., Any], tiny_manifest: Path
) -> None:
    flip(Layout(out).tar(SHARD), 5000)
    said = rmod("verify", out, "--compare", 0)
    remedy = next(line for line in said.out.splitlines() if line.strip().startswith("rm "))
    for name in remedy.split()[1:]:
        Path(name).unlink()
    assert run_build(make_job(tiny_manifest, out), local_executor(1), BuildProgress()).made == 3
    assert promised(out) == promised(tiny_built)


def _shift(content: dict[str, dict[str, bytes]], change: Callable[[dict[str, Any]], object]) -> None:
    described = json.loads(content[FIRST]["json"])
    change(described["spec"])
    content[FIRST]["json"] = json.dumps(described, ensure_ascii=False, separators=(",", ":")).encode()


def _velocity(spec: dict[str, Any]) -> None:
    spec["drums"][0]["notes"][0]["velocity"] //= 2


def _sound(content: dict[str, dict[str, bytes]]) -> None:
    audio, rate = soundfile.read(io.BytesIO(content[FIRST]["mix.wav"]), dtype="int16")
    audio[100, 0] ^= 1
    stream = io.BytesIO()
    soundfile.write(stream, audio, rate, format="WAV", subtype="PCM_16")
    content[FIRST]["mix.wav"] = stream.getvalue()


FORGED: dict[str, tuple[Callable[[dict[str, dict[str, bytes]]], object], str]] = {
    "a hit half as hard in the JSON": (lambda content: _shift(content, _velocity), f"{FIRST}.mix.wav"),
    "an unknown effect in the JSON": (
        lambda content: _shift(content, lambda spec: spec["master"].append({"effect": "echo"})),
        "cannot be made again",
    ),
    "an effect beyond all bounds in the JSON": (
        lambda content: _shift(content, lambda spec: spec["master"].append({"effect": "gain", "gain_db": 1e300})),
        FIRST,
    ),
    "one sample by one step": (_sound, f"{FIRST}.mix.wav"),
    "two mixtures exchanged": (swap("mix.wav"), f"{FIRST}.mix.wav"),
    "two MIDI files exchanged": (swap("mid"), f"{FIRST}.mid"),
    "two targets exchanged": (swap("kick.wav"), f"{FIRST}.kick.wav"),
}
"""What no checksum can find, because index and receipt were forged to fit: only making the pair again can."""


@pytest.mark.parametrize("forgery", FORGED)
def test_a_forgery_without_a_flaw_is_found_by_making_the_pairs_again(
    forgery: str, out: Path, rmod: Callable[..., Any]
) -> None:
    change, words = FORGED[forgery]
    edit_tar(out, change)
    assert rmod("verify", out, "--compare", 0).code == 0, "not as flawless as it should be for this test"
    said = rmod("verify", out, "--compare", 0, "--rerender", 100)
    assert said.code == 1
    assert words in said.out
    assert "Traceback" not in said.err


def test_a_pair_that_recipe_and_seed_do_not_give_is_found(
    out: Path, tiny_manifest: Path, rmod: Callable[..., Any]
) -> None:
    """Not even a pair that is right in itself may stand in another's place."""
    stored = read_pair(out, FIRST)
    changed = json.loads(stored.members["json"])["spec"]
    _velocity(changed)
    sounds = open_sounds(tiny_manifest, 22_050)
    pair = render_pair(PairSpec.from_json(json.dumps(changed)), sounds)
    members = encode_members(pair, sounds.store.library, AudioStorage())
    edit_tar(out, lambda content: content.update({FIRST: members}))
    edit_index(out, lambda rows: rows.__setitem__(0, make_pair_row(pair, members, sounds.store.library)))
    assert not rerender(read_pair(out, FIRST), sounds.store.library, sounds)
    said = rmod("verify", out, "--compare", 0, "--rerender", 100)
    assert said.code == 1
    assert f"{FIRST}.json: its spec is not what recipe, library and seed give" in said.out


@pytest.mark.parametrize("column", ["sha256", "group"])
def test_a_sound_or_a_group_on_two_sides_of_a_split_is_found(
    column: str, tmp_path: Path, rmod: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Planted where it does happen: in the split column of a manifest, edited by hand."""
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
    said = rmod("verify", tmp_path / "out", "--compare", 0)
    assert said.code == 1
    assert "used in train and valid" in said.out


def test_elsewhere_sound_may_differ_by_a_bound_and_nothing_else_may(
    out: Path, rmod: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On another processor the last bit may differ, but a licence or a MIDI file may not."""
    log = out / "log" / "library.json"
    log.write_text(log.read_text().replace('"processor": "', '"processor": "m68k AmigaOS and '))
    edit_tar(out, _sound)
    assert "the same to within -60 dB" in rmod("verify", out, "--compare", 0, "--rerender", 100).out
    assert rmod("verify", out, "--compare", 0, "--rerender", 100).code == 0
    edit_tar(out, swap("mid"))
    assert rmod("verify", out, "--compare", 0, "--rerender", 100).code == 1


def test_levels_alone_may_differ_elsewhere_in_a_json(tiny_built: Path, tiny_manifest: Path) -> None:
    sounds = open_sounds(tiny_manifest, 22_050)
    stored = read_pair(tiny_built, FIRST)
    for part, within in (("measured", True), ("sources", False)):
        described = json.loads(stored.members["json"])
        described[part] = {} if part == "measured" else []
        changed = replace(stored, members={**stored.members, "json": json.dumps(described).encode()})
        assert [found.within_bound for found in rerender(changed, sounds.store.library, sounds)] == [within]


def test_an_unfinished_data_set_is_told_as_unfinished(out: Path, rmod: Callable[..., Any]) -> None:
    layout = Layout(out)
    for path in (layout.receipt(SHARD), layout.tar(SHARD), layout.index(SHARD)):
        path.unlink()
    said = rmod("verify", out)
    assert said.code == 1
    assert "split train: 1 of 4 shards are not made yet, train-000001 the first" in said.out


@pytest.mark.parametrize("content", [None, "", "[]", "{}", '{"recipe": {}}', "[" * 100_000])
def test_a_folder_without_a_data_set_is_a_mistake(
    content: str | None, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    if content is not None:
        (tmp_path / "build.json").write_text(content)
    for arguments in (["verify"], ["show"], ["show", "--keys"]):
        said = rmod(arguments[0], tmp_path, *arguments[1:])
        assert said.code == 2
        assert "build.json" in said.err or "no finished shards" in said.err
        assert "->" in said.err
        assert "Traceback" not in said.err


def test_a_name_twice_in_a_tar_is_damage(tmp_path: Path) -> None:
    """A tar with one name twice, of which each reader takes another, is not read at all."""
    path = tmp_path / "twice.tar"
    with TarWriter(path) as writer:
        writer.add("train-00000000", {"mid": b"one"})
        writer.add("train-00000000", {"mid": b"two"})
    with pytest.raises(ShardError, match="twice"):
        list(read_tar(path))
