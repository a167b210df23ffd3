"""Data sets through the Python API: the same as through the command line, and as arrays."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import yaml

import rmod_pipeline as rmod
from rmod_pipeline.audio import from_pcm
from rmod_pipeline.errors import LibraryError, RecipeError, ShardError, UsageError
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.reading.pairs import read_pair
from tests.tiny_build import RATE, RECIPE, on_disk

Rmod = Callable[..., Any]


def same_files(one: Path, other: Path) -> bool:
    """Return whether two data sets are the same bytes, apart from their logs."""
    names = [
        {str(path.relative_to(out)) for path in out.rglob("*") if path.is_file() and "log" not in path.parts}
        for out in (one, other)
    ]
    return names[0] == names[1] and all((one / name).read_bytes() == (other / name).read_bytes() for name in names[0])


def test_a_build_is_the_bytes_of_the_command(tiny_manifest: Path, tmp_path: Path, rmod: Rmod) -> None:
    from rmod_pipeline import build

    (tmp_path / "tiny.yaml").write_text(RECIPE)
    said = rmod("build", tmp_path / "tiny.yaml", "--library", tiny_manifest, "--out", tmp_path / "shell",
                "--pairs", "train=3,valid=1", "--seed", 5, "--stems")  # fmt: skip
    assert said.code == 0, said.err
    data = build(
        tmp_path / "tiny.yaml", library=tiny_manifest, out=tmp_path / "python", pairs={"train": 3, "valid": 1},
        seed=5, stems=True, progress=False,
    )  # fmt: skip
    assert data.summary.pairs == {"train": 3, "valid": 1}
    assert same_files(tmp_path / "shell", tmp_path / "python")


def test_a_recipe_may_be_a_name_a_file_a_mapping_or_loaded(tmp_path: Path) -> None:
    (tmp_path / "tiny.yaml").write_text(RECIPE)
    keys = yaml.safe_load(RECIPE)
    forms = [tmp_path / "tiny.yaml", str(tmp_path / "tiny.yaml"), keys, rmod.load_recipe(keys)]
    loaded = [rmod.load_recipe(form) for form in forms]
    assert all(recipe == loaded[0] for recipe in loaded)
    assert rmod.load_recipe("rmod").name == "rmod"
    assert not rmod.load_recipe({"extends": "rmod", "name": "mine", "loops": {}}).loops
    with pytest.raises(RecipeError, match="kicks"):
        rmod.load_recipe({**keys, "drums": {"kick": {"kicks": 3}}})


def test_a_library_may_be_a_name_a_manifest_a_folder_or_open(tiny_manifest: Path, tmp_path: Path) -> None:
    opened = rmod.open_library(tiny_manifest)
    assert rmod.open_library(str(tiny_manifest)).digest == opened.digest
    assert rmod.open_library(opened) is opened
    folder = tmp_path / "Samples"
    for asset in opened.assets:
        target = folder / asset.kind / f"{asset.id.replace('/', '-')}.wav"
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(on_disk(opened.path_of(asset)), target)
    before = sorted(path.name for path in folder.rglob("*"))
    scanned = rmod.open_library(folder, progress=False)
    assert {asset.kind for asset in scanned.assets} == {asset.kind for asset in opened.assets}
    assert sorted(path.name for path in folder.rglob("*")) == before, "nothing is written into the user's folder"
    again = rmod.open_library(folder, progress=False)
    assert again.digest == scanned.digest, "sounds keep their splits"
    with pytest.raises(LibraryError, match="no audio"):
        (tmp_path / "empty").mkdir()
        rmod.open_library(tmp_path / "empty", progress=False)


def test_scan_gives_manifest_report_and_library(tiny_manifest: Path, tmp_path: Path) -> None:
    folder = tmp_path / "Pack" / "kick"
    folder.mkdir(parents=True)
    for number, asset in enumerate(load_library(tiny_manifest).select("kick", "train")):
        shutil.copy(on_disk(load_library(tiny_manifest).path_of(asset)), folder / f"{number}.wav")
    result = rmod.scan(folder.parent, out=tmp_path / "mine.csv", licence="CC0-1.0", progress=False)
    assert result.manifest.is_file() and result.report.is_file()
    assert {asset.id for asset in result.library.assets} == {asset.id for asset in result.scan.assets}
    assert rmod.check_library(result.manifest, progress=False) == []
    result.library.path_of(result.library.assets[0]).unlink()
    (problem,) = rmod.check_library(result.manifest, progress=False)
    assert "no such file" in problem


def test_pairs_are_arrays_with_their_spec_and_levels(tiny_built: Path) -> None:
    data = rmod.open_dataset(tiny_built)
    pairs = list(data.pairs())
    assert [pair.key for pair in pairs] == data.keys()
    assert [pair.key for pair in data.pairs("valid")] == data.keys("valid")
    first = pairs[0]
    assert first.mix.shape == (2, RATE) and first.mix.dtype == np.float32
    assert set(first.one_shots) == {"kick", "snare"} and first.sample_rate == RATE and first.split == "train"
    stored = read_pair(tiny_built, first.key)
    assert first.spec == stored.spec() == data.pair(first.key).spec
    assert first.levels == json.loads(stored.members["json"])["measured"]
    assert np.abs(first.mix).max() <= 1.0
    rows = data.index("train", ["key", "status"])
    assert [row["key"] for row in rows if row["status"] == "pair"] == data.keys("train")
    assert repr(data).startswith("DataSet(") and "recipe='tiny'" in repr(data)


def test_a_data_set_of_tokens_gives_codes(tiny_tokens: Path, tmp_path: Path) -> None:
    data = rmod.open_dataset(tiny_tokens)
    (codec,) = data.codecs
    batch = next(iter(data.tokens("train", codec)))
    assert set(batch["codes"]) == {"mix", "kick", "snare"}
    assert next(iter(data.audio("train")))["audio"]["mix"].shape == (2, RATE)


def test_without_audio_a_pair_has_codes_and_says_why_it_has_no_mix(
    tiny_manifest: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    data = rmod.build(
        yaml.safe_load(RECIPE), library=tiny_manifest, out=tmp_path / "out", pairs="train=2", audio=False,
        codec=tiny_weights, progress=False,
    )  # fmt: skip
    pair = next(data.pairs("train"))
    assert set(pair.codes) == {"mix", "kick", "snare"} and not pair.audio
    with pytest.raises(ShardError, match="keeps no audio"):
        _ = pair.mix


def test_encode_verify_status_preview_and_render_take_the_data_set(
    tiny_manifest: Path, tiny_weights: Path, tmp_path: Path
) -> None:
    data = rmod.build(
        yaml.safe_load(RECIPE), library=tiny_manifest, out=tmp_path / "out", pairs="train=2,valid=1", progress=False
    )
    encoded = rmod.encode(data, codec=tiny_weights, progress=False)
    assert encoded.folder.is_dir() and encoded.codecs
    result = rmod.verify(data, rerender=2, progress=False)
    assert result.ok and result.rerendered == 2 and result.recomposed
    assert rmod.status(data).done
    page = rmod.preview(data, pairs=2, page=tmp_path / "page.html", codec=str(tiny_weights), progress=False)
    assert page.stat().st_size > 10_000
    pair = data.pair("train-00000001")
    files = rmod.rerender(pair, library=tiny_manifest, out=tmp_path / "again", progress=False)
    mix = next(Path(str(path)) for path in files if path.name.endswith("mix.wav"))
    assert np.array_equal(from_pcm(soundfile.read(mix, dtype="int16", always_2d=True)[0].T), pair.mix)
    (wav, *_) = rmod.decode(data, pair.key, out=tmp_path / "decoded", codec=str(tiny_weights))
    assert Path(str(wav)).is_file()


def test_verify_finds_a_changed_byte(tiny_built: Path, tmp_path: Path) -> None:
    shutil.copytree(tiny_built, tmp_path / "out")
    tar = next((tmp_path / "out" / "audio").glob("*.tar"))
    damaged = bytearray(tar.read_bytes())
    damaged[1000] ^= 1
    tar.write_bytes(damaged)
    assert not rmod.verify(tmp_path / "out", progress=False).ok


def test_failed_shards_raise_and_keep_the_others(tiny_manifest: Path, tmp_path: Path) -> None:
    library = tmp_path / "library"
    shutil.copytree(tiny_manifest.parent, library)
    manifest = library / tiny_manifest.name
    for asset in load_library(manifest).select("kick", "valid"):
        (library / asset.path).unlink()
    with pytest.raises(rmod.IncompleteBuildError, match="valid-000000") as caught:
        rmod.build(yaml.safe_load(RECIPE), library=manifest, out=tmp_path / "out", pairs="train=2,valid=1",
                   progress=False)  # fmt: skip
    assert caught.value.result.summary.pairs == {"train": 2}
    assert len(list(rmod.open_dataset(tmp_path / "out").pairs("train"))) == 2


@pytest.mark.parametrize(
    ("options", "parameter", "flag"),
    [
        ({"shard_size": 0}, "shard_size:", "--shard-size:"),
        ({"pairs": {"trian": 3}}, "pairs:", "--pairs:"),
        ({"audio_format": "mp3"}, "audio_format:", "--format:"),
        ({"audio": False}, "audio=False:", "--no-audio:"),
        ({"engine": "steam"}, "engine:", "--engine:"),
        ({"cache_gb": -1}, "cache_gb:", "--cache-gb:"),
        ({"compute": rmod.ComputeConfig(workers=0)}, "workers:", "--workers:"),
        ({"compute": rmod.ComputeConfig(executor="slurm")}, "executor:", "--executor:"),
        ({"shards": "x"}, "shards:", "--shards:"),
    ],
)
def test_errors_name_parameters_in_python_and_flags_in_the_shell(
    options: dict[str, Any], parameter: str, flag: str, tiny_manifest: Path, tmp_path: Path
) -> None:
    with pytest.raises(UsageError) as caught:
        rmod.build(yaml.safe_load(RECIPE), library=tiny_manifest, out=tmp_path / "out", progress=False, **options)
    assert str(caught.value).startswith(parameter)
    assert "--" not in str(caught.value).replace("rmod ", "")
    assert caught.value.in_shell().startswith(flag)
    assert not (tmp_path / "out").exists()


def test_a_command_in_a_message_keeps_its_flags_in_python() -> None:
    error = UsageError("--codec", "no tokens", "make them: rmod encode OUT --codec mini; or give --no-audio")
    error.speak_python()
    assert str(error) == "codec: no tokens\n  -> make them: rmod encode OUT --codec mini; or give audio=False"
