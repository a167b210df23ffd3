"""The files of a data set have the content that other programs expect."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest
import soundfile

from rmod_pipeline.errors import BuildError, LibraryError, RecipeError, ShardError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.pipeline.executors.local import local_executor
from rmod_pipeline.pipeline.run import BuildSummary, run_build
from rmod_pipeline.pipeline.scheduler import BuildProgress
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.reading.pairs import count_licences, list_keys, read_pair
from rmod_pipeline.recipe import parse_recipe
from rmod_pipeline.shards.fingerprint import check_folder, claim_folder, read_fingerprint
from rmod_pipeline.shards.index import SCHEMA
from rmod_pipeline.shards.layout import Layout, parse_key, plan_shards
from rmod_pipeline.shards.members import _find_asset
from rmod_pipeline.shards.receipt import MissingPairs, read_receipt
from rmod_pipeline.shards.tar import read_tar
from rmod_pipeline.shards.token_family import _read_sample_rate
from rmod_pipeline.shards.tokens import decode_codes
from rmod_pipeline.shards.windows.arrays import encode_array
from rmod_pipeline.shards.windows.writer import WindowShardWriter
from tests.tiny_build import RATE, RECIPE, make_job, reproducible_files


@pytest.fixture(scope="session")
def stems(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> Path:
    """The small data set with stems; not every pair has a bass."""
    out = tmp_path_factory.mktemp("tiny-stems") / "out"
    run_build(make_job(tiny_manifest, out, stems=True), local_executor(1), BuildProgress())
    return out


def tar_paths(out: Path) -> list[Path]:
    return sorted((out / "audio").glob("*.tar"))


def list_members(path: Path) -> list[tarfile.TarInfo]:
    with tarfile.open(path) as tar:
        return tar.getmembers()


def test_every_pair_has_the_same_files_next_to_each_other(stems: Path) -> None:
    suffixes = ["mix.wav", "kick.wav", "snare.wav", "stem-kick.wav", "stem-snare.wav", "stem-bass.wav", "mid", "json"]
    names = [member.name for tar in tar_paths(stems) for member in list_members(tar)]
    assert names == [f"{key}.{suffix}" for key in list_keys(stems) for suffix in suffixes]


def test_the_stem_of_a_missing_track_is_silence_as_long_as_the_mixture(stems: Path) -> None:
    silent = []
    for key in list_keys(stems):
        pair = read_pair(stems, key)
        bass, rate = soundfile.read(io.BytesIO(pair.members["stem-bass.wav"]), dtype="int16")
        assert (bass.shape, rate) == ((RATE, 2), RATE)
        silent.append(not bass.any())
        assert silent[-1] == (not pair.spec().loops)
    assert set(silent) == {True, False}, "the example shows only one of the two"


def test_stems_add_up_to_the_mixture_before_the_master_chain(tiny_manifest: Path, tmp_path: Path) -> None:
    """Without a master chain the mixture is the sum of the stems, except for their rounding to 16 bits."""
    recipe = parse_recipe(RECIPE.partition("master:")[0])
    run_build(make_job(tiny_manifest, tmp_path, recipe=recipe, stems=True), local_executor(1), BuildProgress())
    for key in list_keys(tmp_path):
        members = read_pair(tmp_path, key).members
        audio = {
            name: soundfile.read(io.BytesIO(members[name]), dtype="int16")[0].astype(int)
            for name in members
            if "wav" in name
        }
        stems = sum(samples for name, samples in audio.items() if name.startswith("stem-"))
        assert np.abs(np.clip(stems, -32767, 32767) - audio["mix.wav"]).max() <= 2


def test_tars_are_plain_ustar_without_times_and_owners(tiny_built: Path) -> None:
    for path in tar_paths(tiny_built):
        data = path.read_bytes()
        assert data[257:265] == b"ustar\x0000"
        for member in list_members(path):
            header = (member.mtime, member.uid, member.gid, member.uname, member.gname, member.mode, member.type)
            assert header == (0, 0, 0, "", "", 0o644, tarfile.REGTYPE)


@pytest.mark.slow
def test_webdataset_reads_every_pair(stems: Path) -> None:
    import webdataset

    read = list(webdataset.WebDataset([str(path) for path in tar_paths(stems)], shardshuffle=False))
    assert [sample["__key__"] for sample in read] == list_keys(stems)
    for sample in read:
        assert {name: data for name, data in sample.items() if not name.startswith("__")} == dict(
            read_pair(stems, sample["__key__"]).members
        )


def test_the_json_of_a_pair_renders_it_again_bit_for_bit(
    stems: Path, tiny_manifest: Path, tmp_path: Path, rmod: Callable[..., Any]
) -> None:
    for key in list_keys(stems)[::5]:
        (tmp_path / "pair.json").write_text(rmod("show", stems, key, "--json").out)
        result = rmod("render", tmp_path / "pair.json", "--library", tiny_manifest, "--out", tmp_path / "again")
        assert result.code == 0
        stored = read_pair(stems, key).members
        for path in (tmp_path / "again").glob(f"{key}.*"):
            assert path.read_bytes() == stored[path.name.partition(".")[2]]
        mine = {path.name.partition(".")[2] for path in (tmp_path / "again").glob(f"{key}.*")}
        assert set(stored) - mine <= {"stem-bass.wav"}, "all are made but the stems that the pair lacks"


def test_the_index_has_one_row_per_pair_with_sources_and_licences(tiny_built: Path, tiny_manifest: Path) -> None:
    library = load_library(tiny_manifest)
    rows = [row for path in sorted((tiny_built / "index").glob("*")) for row in pq.read_table(path).to_pylist()]
    assert [row["key"] for row in rows] == list_keys(tiny_built)
    assert list(rows[0]) == SCHEMA.names
    for row in rows:
        pair = read_pair(tiny_built, row["key"])
        sources = row["sources"]
        assert [(source["kind"], source["id"], source["sha256"]) for source in sources] == list(pair.spec().sources())
        assert {source["id"]: (source["licence"], source["source"]) for source in sources} == {
            source["id"]: (library.by_id[source["id"]].licence, library.by_id[source["id"]].source)
            for source in sources
        }
        assert row["licences"] == sorted({source["licence"] for source in row["sources"]})
        assert row["members"] == [
            {"name": name, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
            for name, data in pair.members.items()
        ]
        assert row["lufs"] == pair.description()["measured"]["mix"]["lufs"]
    used = {source["id"] for row in rows for source in row["sources"]}
    assert count_licences(tiny_built) == Counter(library.by_id[asset].licence for asset in used)


def test_receipts_have_sizes_and_checksums_of_the_files(tiny_built: Path) -> None:
    for path in Layout(tiny_built).receipts():
        for file in read_receipt(path).files:
            data = (tiny_built / file.path).read_bytes()
            assert (file.bytes, file.sha256) == (len(data), hashlib.sha256(data).hexdigest())


def test_reproducible_files_contain_no_local_path(tiny_built: Path, tiny_manifest: Path) -> None:
    for name, data in reproducible_files(tiny_built).items():
        for word in (str(tiny_built.parent), str(tiny_manifest.parent), "/tmp", "/home"):
            assert word.encode() not in data, name


REJECTING = RECIPE + "reject: {buried_db: 1, attempts: 2}\n"


@pytest.fixture(scope="session")
def rejecting(tmp_path_factory: pytest.TempPathFactory, cache: Path, tiny_manifest: Path) -> tuple[Path, BuildSummary]:
    """A data set with many rejects and some absent keys, made in two runs."""
    out = tmp_path_factory.mktemp("tiny-rejects") / "out"
    job = make_job(tiny_manifest, out, recipe=parse_recipe(REJECTING), counts={"train": 24}, shard_size=8)
    run_build(job, local_executor(1), BuildProgress())
    Layout(out).receipt("train-000001").unlink()
    return out, run_build(job, local_executor(1), BuildProgress())


def test_the_summary_of_a_resumed_run_counts_all_pairs(rejecting: tuple[Path, BuildSummary]) -> None:
    out, summary = rejecting
    rows = [row for path in sorted((out / "index").glob("*")) for row in pq.read_table(path).to_pylist()]
    assert summary.made == 8
    assert summary.pairs == {"train": sum(row["status"] == "pair" for row in rows)}
    assert summary.rejects == dict(Counter(row["reason"] for row in rows if row["status"] == "reject"))
    assert summary.absent == 24 - summary.pairs["train"]
    assert summary.absent > 0, "the example shows no absent key"
    assert sum(summary.rejects.values()) > 2 * summary.absent, "the example shows no pair that was drawn again"
    assert summary.bytes == sum(path.stat().st_size for name in ("audio", "index") for path in (out / name).glob("*"))


def test_an_absent_key_is_reported_as_absent(rejecting: tuple[Path, BuildSummary], rmod: Callable[..., Any]) -> None:
    out, _ = rejecting
    absent = next(key for path in Layout(out).receipts() for key in read_receipt(path).absent)
    assert absent not in list_keys(out)
    result = rmod("show", out, absent)
    assert result.code == 2
    assert "every attempt was rejected" in result.err
    assert rmod("verify", out).code == 0


def test_a_data_set_of_rejects_alone_is_complete(tiny_manifest: Path, tmp_path: Path, rmod: Callable[..., Any]) -> None:
    recipe = parse_recipe(RECIPE + "reject: {silent_dbfs: 0, attempts: 1}\n")
    job = make_job(tiny_manifest, tmp_path, recipe=recipe, counts={"train": 2})
    summary = run_build(job, local_executor(1), BuildProgress())
    assert (summary.absent, summary.pairs) == (2, {"train": 0})
    assert [list_members(path) for path in tar_paths(tmp_path)] == [[]]
    assert rmod("verify", tmp_path, "--rerender", 3).code == 0
    assert rmod("show", tmp_path).code == 0


@pytest.mark.parametrize(
    "key",
    [
        "train-0000001",
        "train-000000012",
        "train-00000001\n",
        "../x-00000001",
        "train-0000000\N{ARABIC-INDIC DIGIT ONE}",
    ],
)
def test_a_malformed_key_is_refused(key: str) -> None:
    with pytest.raises(ShardError):
        parse_key(key)


@pytest.mark.parametrize("kind", ["mix", "k" * 71])
def test_a_kind_that_is_not_a_member_name_is_refused(tiny_manifest: Path, tmp_path: Path, kind: str) -> None:
    job = make_job(tiny_manifest, tmp_path / "out", recipe=parse_recipe(RECIPE.replace("kick:", f"{kind}:")))
    with pytest.raises(RecipeError, match="kind"):
        run_build(job, local_executor(1), BuildProgress())
    assert not (tmp_path / "out").exists()


def test_the_json_of_a_pair_has_spec_levels_and_sources(stems: Path) -> None:
    content = json.loads(read_pair(stems, "train-00000000").members["json"])
    assert list(content) == ["spec", "measured", "sources"]
    assert np.isfinite(content["measured"]["mix"]["lufs"])


def test_a_pair_has_its_stems_by_kind(stems: Path) -> None:
    pair = DataSet(stems).pair("train-00000000")
    assert set(pair.stems) == {"kick", "snare", "bass"}
    assert not set(pair.one_shots) & {f"stem-{kind}" for kind in pair.stems}
    assert all(audio.shape == pair.mix.shape for audio in pair.stems.values())


def test_a_shard_is_written_in_its_context_and_has_its_receipt_after_it(tmp_path: Path) -> None:
    (plan,) = plan_shards({"train": 3}, 3)
    family: Any = None
    writer = WindowShardWriter(plan, Layout(tmp_path), family, MissingPairs())
    with pytest.raises(RuntimeError, match="train-000000 is not open"):
        writer._append("train-00000000", {"json": b"{}"})
    with pytest.raises(RuntimeError, match="train-000000 is not published yet"):
        _ = writer.receipt


@pytest.mark.parametrize("codes", [np.zeros((9, 5), np.int64), np.zeros((1, 9, 5), np.uint16)])
def test_an_array_that_holds_no_codes_is_refused(codes: np.ndarray) -> None:
    with pytest.raises(ShardError, match=r"but tokens are uint16 \[codebooks, frames\]"):
        decode_codes(encode_array(codes), "a.npy")


def test_a_member_that_is_no_whole_file_is_refused(tmp_path: Path) -> None:
    header = tarfile.TarInfo("train-00000000.json")
    header.type = tarfile.DIRTYPE
    with tarfile.open(tmp_path / "a.tar", "w") as tar:
        tar.addfile(header)
    with pytest.raises(ShardError, match="is not a plain file"):
        list(read_tar(tmp_path / "a.tar"))


def test_a_folder_of_something_else_is_no_place_for_a_data_set(tmp_path: Path) -> None:
    build = tmp_path / "out" / "build.json"
    assert not check_folder({"recipe": "a"}, build), "there is no folder yet"
    (tmp_path / "out" / "log").mkdir(parents=True)
    (tmp_path / "out" / ".DS_Store").touch()
    assert not check_folder({"recipe": "a"}, build), "another run has just begun"
    (tmp_path / "out" / "kick").mkdir()
    with pytest.raises(BuildError, match="holds kick, and no data set"):
        check_folder({"recipe": "a"}, build)


def test_two_runs_that_claim_one_folder_must_agree(tiny_built: Path, tmp_path: Path) -> None:
    """The second finds the build.json of the first only when it writes its own."""
    ours = read_fingerprint(Layout(tiny_built).build)
    claim_folder(ours, Layout(tiny_built).build, tmp_path)
    with pytest.raises(BuildError, match="seed"):
        claim_folder({**ours, "seed": ours["seed"] + 1}, Layout(tiny_built).build, tmp_path)


@pytest.mark.parametrize("change", [{"pairs": 3}, {"pairs": {"train": "many"}}, {"shard_size": None}])
def test_a_build_file_with_wrong_values_is_refused(change: dict[str, object], tiny_built: Path, tmp_path: Path) -> None:
    content = json.loads(Layout(tiny_built).build.read_bytes())
    (tmp_path / "build.json").write_text(json.dumps({**content, **change}))
    with pytest.raises(ShardError, match=r"not a build\.json"):
        read_fingerprint(tmp_path / "build.json")


def test_a_remedy_for_tokens_needs_no_valid_build_file(tmp_path: Path) -> None:
    assert _read_sample_rate(tmp_path) is None


def test_a_sound_that_the_library_lacks_is_named(tiny_manifest: Path) -> None:
    library = load_library(tiny_manifest)
    assert _find_asset(library.assets[0].id, library) == library.assets[0]
    with pytest.raises(LibraryError, match="no sound 'nothing'"):
        _find_asset("nothing", library)
