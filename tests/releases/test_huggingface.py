"""`datasets` loads every config of a release for the Hugging Face hub, streaming and not."""

from __future__ import annotations

import shlex
from dataclasses import replace
from pathlib import Path
from typing import Any

import click
import pytest
import yaml
from datasets import load_dataset
from huggingface_hub.cli.hf import app as hf

from rmod_pipeline.errors import UsageError
from rmod_pipeline.reading.data_set import DataSet
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import PlannedFile, ReleaseRequest
from rmod_pipeline.releases.sites.huggingface import HuggingFace, choose_hub_licences
from rmod_pipeline.shards.tar import read_tar


def header_of(folder: Path) -> dict[str, Any]:
    content: dict[str, Any] = yaml.safe_load((folder / "README.md").read_text().split("---\n")[1])
    return content


@pytest.mark.parametrize("streaming", [False, True])
def test_every_family_loads(on_hub: Path, streaming: bool, tmp_path: Path, tiny_facts: ReleaseFacts) -> None:
    for family in tiny_facts.families:
        pairs = load_dataset(str(on_hub), family.config, streaming=streaming, cache_dir=str(tmp_path))
        assert list(pairs) == [split.name for split in tiny_facts.splits if split.pairs]
        stored = dict(pair for path in (on_hub / family.name).glob("*.tar") for pair in read_tar(path))
        loaded = {pair["__key__"]: pair for split in pairs.values() for pair in split}
        assert set(loaded) == set(stored)
        for key, pair in loaded.items():
            assert [*pair][:-2] == list(family.members)
            if family.name == "audio":
                assert pair["mix.wav"] == stored[key]["mix.wav"]
        assert loaded["train-00000000"]["json"]["spec"]["recipe"] == "tiny"


@pytest.mark.parametrize("streaming", [False, True])
def test_the_index_loads(on_hub: Path, streaming: bool, tmp_path: Path, tiny_facts: ReleaseFacts) -> None:
    index = load_dataset(str(on_hub), "index", data_dir="index", streaming=streaming, cache_dir=str(tmp_path))
    keys = [row["key"] for split in index.values() for row in split if row["status"] == "pair"]
    assert sorted(keys) == sorted(DataSet(on_hub).keys())


def test_the_header_names_one_pattern_per_split_and_family(on_hub: Path, tiny_facts: ReleaseFacts) -> None:
    header = header_of(on_hub)
    assert [config["config_name"] for config in header["configs"]] == [
        *(family.config for family in tiny_facts.families),
        "index",
    ]
    for config in header["configs"]:
        assert [entry["split"] for entry in config["data_files"]] == ["train", "valid"]
        assert all(list(on_hub.glob(entry["path"])) for entry in config["data_files"])
    assert header["pretty_name"] == "Tiny drums & <friends>"
    assert header["license"] == "other"
    assert (on_hub / header["license_link"]).is_file()


@pytest.mark.parametrize(
    ("expression", "names"),
    [
        ("CC0-1.0", ["cc0-1.0"]),
        ("CC-BY-4.0 AND CC0-1.0", ["cc-by-4.0", "cc0-1.0"]),
        ("CC-BY-4.0 OR CC0-1.0", ["other"]),
        ("CC-BY-4.0 AND LicenseRef-mine", ["other"]),
        ("", ["other"]),
    ],
)
def test_the_licence_tags_are_of_the_hub(expression: str, names: list[str]) -> None:
    assert choose_hub_licences(expression) == names


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({"name": "a--b"}, "without -- and"),
        ({"loose": True}, "from tars"),
        ({"files": tuple(PlannedFile(path=f"a/{n // 9999}/{n}", bytes=1) for n in range(99_900))}, "in a repository"),
        ({"files": tuple(PlannedFile(path=f"audio/{n}.tar", bytes=1) for n in range(10_000))}, "in a folder"),
        ({"files": (PlannedFile(path="audio/train-000000.tar", bytes=501 * 10**9),)}, "501 GB"),
    ],
)
def test_what_the_hub_refuses_is_refused(
    changes: dict[str, Any], found: str, tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts
) -> None:
    HuggingFace().check(tiny_request, tiny_facts)
    with pytest.raises(UsageError) as error:
        HuggingFace().check(replace(tiny_request, **changes), tiny_facts)
    assert found in error.value.found


@pytest.mark.parametrize("owner", ["someone", ""])
def test_hf_takes_the_printed_command(owner: str, tiny_request: ReleaseRequest, tmp_path: Path) -> None:
    """The command is parsed by the parser of `hf` itself, and not run."""
    request = replace(tiny_request, owner=owner, to=tmp_path / "my release")
    program, *words = shlex.split(HuggingFace().next_command(request))
    assert program == "hf"
    name, command, rest = hf.resolve_command(click.Context(hf), words)
    assert command is not None
    given = command.make_context(name, rest).params
    assert given["repo_id"] == ("someone/tiny-drums" if owner else "tiny-drums")
    assert given["local_path"] == str(request.to)
    assert given["path_in_repo"] == "."
    assert given["repo_type"] == "dataset"
