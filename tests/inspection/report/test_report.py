"""The report finds planted mistakes and no others, reads in batches, and says what it did not look at."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from rmod_pipeline.errors import AssetError, RecipeError, ShardError, UnfinishedError
from rmod_pipeline.inspection.report import Report, index_scan, leaks, make_report
from rmod_pipeline.inspection.report.records import FORMAT
from rmod_pipeline.inspection.report.sampling import choose_sample
from rmod_pipeline.inspection.report.thresholds import load_thresholds
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.shards.index import read_index
from rmod_pipeline.shards.layout import Layout, parse_key
from rmod_pipeline.shards.receipt import Receipt
from tests.inspection.report.planted import BIASED, CLIPPED, COPY, ORIGINAL
from tests.tiny_build import on_disk

EVERYTHING = 1000


@pytest.fixture(scope="module")
def of_clean(clean: Path) -> Report:
    return make_report(clean, sample=EVERYTHING)


@pytest.fixture(scope="module")
def of_planted(planted: tuple[Path, Path]) -> Report:
    return make_report(planted[1], sample=EVERYTHING)


def findings(report: Report, threshold: str) -> list[Any]:
    return [finding for finding in report.findings if finding.threshold == threshold]


def test_a_clean_data_set_breaks_no_threshold(of_clean: Report) -> None:
    assert list(map(str, of_clean.findings)) == []
    assert of_clean.pairs == {"train": 120, "valid": 40, "test": 10}
    assert of_clean.sample.pairs == of_clean.pairs


def test_a_renamed_louder_mp3_in_another_split_is_found(of_planted: Report, planted: tuple[Path, Path]) -> None:
    (leak,) = findings(of_planted, "leakage.near_duplicates_max")
    assert {parse_key(key)[0] for key in leak.keys} == {"train", "valid"}
    assert {leak.kind for leak in of_planted.leaks} == {"kick"}
    rows = {row["key"]: row for name in shards(planted[1]) for row in read_index(Layout(planted[1]).index(name))}
    for pair in of_planted.leaks:
        kicks = [each["id"] for key in pair.keys for each in rows[key]["sources"] if each["kind"] == "kick"]
        assert sorted(kicks) == sorted([ORIGINAL, COPY])


def test_a_clipped_pair_is_found(of_planted: Report) -> None:
    (clipped,) = findings(of_planted, "clipping.mix_full_scale_share_max")
    assert clipped.keys == (CLIPPED,)
    assert clipped.value > clipped.limit


def test_biased_draws_are_found(of_planted: Report) -> None:
    biased = findings(of_planted, "draws.significance")
    names = {finding.found.partition(" does not")[0] for finding in biased}
    # Without the middle one of three hits, the positions of the hits are no longer uniform either.
    assert BIASED <= names <= BIASED | {"snare ticks"}
    assert all(finding.keys for finding in biased)


def test_nothing_else_is_found(of_planted: Report) -> None:
    expected = {
        "draws.significance",
        "clipping.mix_full_scale_share_max",
        "leakage.near_duplicates_max",
    }
    loud = {"loudness.lufs_max"}  # the clipped pair
    assert expected <= {finding.threshold for finding in of_planted.findings} <= expected | loud


def test_the_library_is_compared_across_splits(planted: tuple[Path, Path], of_planted: Report) -> None:
    manifest, out = planted
    report = make_report(out, sample=0, library=load_library(manifest))
    assert [(leak.kind, {leak.first, leak.second}) for leak in report.leaks] == [("kick", {ORIGINAL, COPY})]
    (finding,) = findings(report, "leakage.near_duplicates_max")
    assert {parse_key(key)[0] for key in finding.keys} == {"train", "valid"}
    assert [each.compared for each in of_planted.comparisons] == ["one-shots"]
    assert [each.compared for each in report.comparisons] == ["one-shots", "library"]


def test_a_library_of_another_build_is_refused(planted: tuple[Path, Path], tiny_manifest: Path) -> None:
    with pytest.raises(AssetError, match="lacks a kick that the data set uses"):
        make_report(planted[1], sample=0, library=load_library(tiny_manifest))


def test_two_reports_are_equal_and_finite(clean: Path, of_clean: Report) -> None:
    again = make_report(clean, sample=EVERYTHING)
    text = json.dumps(of_clean.to_dict(), allow_nan=False)
    assert text == json.dumps(again.to_dict(), allow_nan=False)
    assert str(clean.parent) not in text


def test_batches_of_any_size_give_one_report(
    planted: tuple[Path, Path], of_planted: Report, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes: list[int] = []
    add = index_scan.IndexScan._add_batch

    def record(scan: Any, batch: pa.RecordBatch, split: str) -> None:
        sizes.append(len(batch))
        add(scan, batch, split)

    monkeypatch.setattr(index_scan.IndexScan, "_add_batch", record)
    monkeypatch.setattr(index_scan, "BATCH_ROWS", 7)
    report = make_report(planted[1], sample=EVERYTHING)
    assert max(sizes) == 7
    assert sum(sizes) == report.attempts
    assert report.to_dict() == of_planted.to_dict()


def test_a_small_sample_is_drawn_from_every_split(clean: Path) -> None:
    report = make_report(clean, sample=30)
    assert report.sample.pairs == {"train": 10, "valid": 10, "test": 10}
    assert any("30 of 170" in sentence for sentence in report.not_checked)
    assert {each.name for each in report.draws} == {each.name for each in make_report(clean, sample=90).draws}


def test_the_sample_leaves_out_absent_pairs() -> None:
    absent = ("train-00000001", "train-00000004")
    receipts = [
        Receipt(
            shard=f"train-{number:06d}", family="audio", fingerprint="", split="train", first=3 * number, count=3,
            pairs=2, absent=absent[number : number + 1], rejects={}, files=(),
        )
        for number in range(2)
    ]  # fmt: skip
    assert choose_sample(receipts, 4, "seed") == {
        "train-000000": ["train-00000000", "train-00000002"],
        "train-000001": ["train-00000003", "train-00000005"],
    }
    half = choose_sample(receipts, 2, "seed")
    assert half == choose_sample(receipts, 2, "seed")
    assert sum(map(len, half.values())) == 2


def test_tokens_are_measured_and_a_data_set_without_audio_says_so(tiny_tokens: Path, tmp_path: Path) -> None:
    report = make_report(tiny_tokens)
    of_mix = [each for each in report.tokens if each.sound == "mix"]
    assert [each.codebook for each in of_mix] == list(range(9))
    assert all(0 < each.used <= each.tokens for each in of_mix)
    assert all(0 <= each.entropy_bits <= np.log2(each.used) + 1e-9 for each in report.tokens)
    out = Path(shutil.copytree(tiny_tokens, tmp_path / "out"))
    drop_audio(out)
    without = make_report(out)
    assert without.not_checked[0].startswith("The sound: the data set keeps no audio")
    assert [vars_of(each) for each in without.tokens] == [vars_of(each) for each in report.tokens]
    assert {each.name for each in without.draws} == {each.name for each in report.draws}
    assert {each.source for each in without.levels} == {"index"}


def test_the_keys_of_the_json_are_stable(of_planted: Report, tiny_tokens: Path) -> None:
    content, tokens = of_planted.to_dict(), make_report(tiny_tokens).to_dict()["tokens"]
    assert content["format"] == FORMAT == "rmod-report-1"
    assert list(content) == [
        "format", "ok", "fingerprint", "recipe", "pairs", "attempts", "rejects", "sample", "not_checked", "draws",
        "levels", "duplicates", "comparisons", "leaks", "use", "tokens", "outliers", "thresholds", "findings",
    ]  # fmt: skip
    parts = {name: sorted(content[name][0]) for name in ("draws", "levels", "duplicates", "leaks", "use", "findings")}
    assert parts == {
        "draws": ["adjusted_p_value", "deviation", "name", "outcomes", "p_value", "source", "test", "values"],
        "levels": [
            "above", "below", "count", "highest", "histogram", "histogram_low", "histogram_step", "lowest", "mean",
            "name", "percentiles", "source", "unit",
        ],
        "duplicates": ["different", "files", "in_two_splits", "keys", "sound"],
        "leaks": ["compared", "first", "keys", "kind", "second", "similarity"],
        "use": [
            "effective_kits", "effective_sounds", "fewest", "kind", "kits", "most", "sounds", "split", "top", "uses",
        ],
        "findings": ["found", "keys", "limit", "threshold", "value"],
    }  # fmt: skip
    assert sorted(tokens[0]) == ["codebook", "codec", "entropy_bits", "keys", "size", "sound", "tokens", "used"]


def test_equal_mixtures_are_found(clean: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(clean, tmp_path / "out"))
    change_index(out, "train-000001", lambda rows: rows[0].update(members=first_members(out)))
    (equal,) = findings(make_report(out, sample=0), "duplicates.mixes_max")
    assert (equal.value, equal.keys) == (1, ("train-00000000", "train-00000050"))


def test_one_file_in_two_splits_is_found(clean: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(clean, tmp_path / "out"))
    sources = read_index(Layout(out).index("train-000000"))[0]["sources"]
    change_index(out, "valid-000000", lambda rows: rows[3].update(sources=sources, members=first_members(out)))
    thresholds = [finding.threshold for finding in make_report(out, sample=0).findings]
    assert {"leakage.sounds_max", "leakage.one_shots_max", "duplicates.mixes_max"} <= set(thresholds)


def test_one_file_under_two_names_in_two_splits_is_found(clean: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(clean, tmp_path / "out"))
    sources = read_index(Layout(out).index("train-000000"))[0]["sources"]
    renamed = [{**source, "id": f"copy/{number}"} for number, source in enumerate(sources)]
    change_index(out, "valid-000000", lambda rows: rows[3].update(sources=renamed))
    (leak,) = findings(make_report(out, sample=0), "leakage.sounds_max")
    assert leak.value == len({source["sha256"] for source in sources})
    assert " = " in leak.found


def test_the_users_thresholds_replace_key_by_key(clean: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("loudness: {lufs_max: -60}\nclipping: {mix_full_scale_run_max: null}\n")
    report = make_report(clean, sample=5, thresholds=path)
    (loud,) = findings(report, "loudness.lufs_max")
    assert (loud.limit, len(loud.keys)) == (-60, 5)
    assert "clipping.mix_full_scale_run_max" in report.not_checked[-1]
    path.write_text("loudness: {lufs_max: -60, outside_share_max: 1}\n")
    assert make_report(clean, sample=5, thresholds=path).ok
    assert load_thresholds(path).silence == load_thresholds().silence


def test_findings_on_use_and_tokens_name_pairs(tiny_tokens: Path, tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text("use: {effective_share_min: 1}\ntokens: {entropy_bits_min: 20}\n")
    report = make_report(tiny_tokens, thresholds=path)
    rows = {row["key"]: row for name in shards(tiny_tokens) for row in read_index(Layout(tiny_tokens).index(name))}
    uneven = [each for each in report.use if each.effective_sounds / each.sounds < 1]
    for each, finding in zip(uneven, findings(report, "use.effective_share_min"), strict=True):
        assert {parse_key(key)[0] for key in finding.keys} == {each.split}
        used = [{source["id"] for source in rows[key]["sources"]} for key in finding.keys]
        assert all(each.top[0][0] in ids for ids in used)
    poor = findings(report, "tokens.entropy_bits_min")
    assert [len(finding.keys) for finding in poor] == [5] * 9
    assert {key for finding in poor for key in finding.keys} <= set(rows)


def test_a_finding_on_rejects_names_pairs_that_exist(clean: Path, tmp_path: Path) -> None:
    out, path = Path(shutil.copytree(clean, tmp_path / "out")), tmp_path / "mine.yaml"
    path.write_text("rejects: {share_max: 0}\n")
    change_index(out, "train-000001", lambda rows: rows.insert(3, {**rows[3], "status": "reject", "reason": "quiet"}))
    key = read_index(Layout(out).index("train-000001"))[3]["key"]
    (rejects,) = findings(make_report(out, sample=0, thresholds=path), "rejects.share_max")
    assert key in rejects.keys
    receipt = on_disk(Layout(out).receipt("train-000001"))
    receipt.write_text(json.dumps({**json.loads(receipt.read_text()), "absent": [key]}))
    assert not [each for each in make_report(out, sample=0, thresholds=path).findings if key in each.keys]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("clipping:\n  mix_full_scale_runs_max: 3\n", "unknown key 'mix_full_scale_runs_max'.*mix_full_scale_run_max"),
        ("silense: {}\n", "line 1: silense: unknown key 'silense' .did you mean 'silence'"),
        ("draws: {significance: 2}\n", "1 or less is needed here, found 2"),
        ("- a list\n", "no keys at the top"),
    ],
)
def test_wrong_thresholds_are_named(clean: Path, tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(RecipeError, match=message):
        make_report(clean, thresholds=path)


def test_an_unfinished_build_is_refused(clean: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(clean, tmp_path / "out"))
    Layout(out).receipt("train-000002").unlink()
    with pytest.raises(UnfinishedError, match="1 of 5 shards are not made yet, train-000002 the first"):
        make_report(out)


def test_a_missing_or_foreign_index_is_refused(clean: Path, tmp_path: Path) -> None:
    out = Path(shutil.copytree(clean, tmp_path / "out"))
    Layout(out).index("valid-000000").unlink()
    with pytest.raises(ShardError, match=r"valid-000000.parquet: not an index: no such file"):
        make_report(out, sample=0)
    pa.parquet.write_table(pa.table({"key": ["train-00000000"]}), Layout(out).index("valid-000000"))
    with pytest.raises(ShardError, match=r"valid-000000.parquet: not an index"):
        make_report(out, sample=0)


def shards(out: Path) -> list[str]:
    return [path.stem for path in Layout(out).main_receipts()]


def vars_of(record: Any) -> tuple[Any, ...]:
    return tuple(getattr(record, name) for name in record.__slots__)


def first_members(out: Path) -> Any:
    return read_index(Layout(out).index("train-000000"))[0]["members"]


def change_index(out: Path, shard: str, change: Any) -> None:
    from rmod_pipeline.shards.index import write_index

    rows = read_index(Layout(out).index(shard))
    change(rows)
    write_index(rows, on_disk(Layout(out).index(shard)))


def drop_audio(out: Path) -> None:
    """Turn a data set with tokens into one that keeps no audio."""
    from rmod_pipeline.inspection.findings import read_expected_content

    shutil.rmtree(out / "audio")
    build = out / "build.json"
    build.write_text(build.read_text().replace('"audio": true', '"audio": false'))
    digest = read_expected_content(out).digest
    (out / "receipts" / "index").mkdir()
    for path in (out / "receipts" / "audio").glob("*.json"):
        content = {**json.loads(path.read_text()), "family": "index", "fingerprint": digest}
        (out / "receipts" / "index" / path.name).write_text(json.dumps(content))
    shutil.rmtree(out / "receipts" / "audio")


def test_the_report_says_what_it_did_not_compare(planted: tuple[Path, Path], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leaks, "MOST_COMPARED", 0)
    report = make_report(planted[1], sample=EVERYTHING)
    assert not report.leaks
    assert [line for line in report.not_checked if line.startswith("Similar one-shots of ")]
