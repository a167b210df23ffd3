"""mlcroissant validates the description of a release, and reads its records from the folder alone."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import mlcroissant
import pyarrow.parquet as pq
import pytest
from mlcroissant._src.operation_graph.operations import extract

from rmod_pipeline.library.licences import LicenceClass
from rmod_pipeline.releases.croissant import records
from rmod_pipeline.releases.croissant.provenance import describe_terms
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.releases.licensing import AttributedSound
from rmod_pipeline.releases.licensing.sounds import SelectedPairs, make_licensing
from rmod_pipeline.shards.tar import read_tar


@pytest.fixture
def described(on_hub: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> mlcroissant.Dataset:
    monkeypatch.setattr(extract, "EXTRACT_PATH", extract.EXTRACT_PATH.__class__(tmp_path))
    return mlcroissant.Dataset(str(on_hub / "croissant.json"))


def test_it_is_valid_without_a_warning(described: mlcroissant.Dataset) -> None:
    assert not described.metadata.issues.errors
    assert not described.metadata.issues.warnings
    assert described.metadata.ctx.conforms_to.value == "http://mlcommons.org/croissant/1.1"


def test_the_records_are_the_members(described: mlcroissant.Dataset, on_hub: Path, tiny_facts: ReleaseFacts) -> None:
    for family in tiny_facts.families:
        pairs = dict(pair for path in (on_hub / family.name).glob("*.tar") for pair in read_tar(path))
        for member in family.members:
            name = f"{family.config}-{member.rpartition('.')[0] or member}"
            records = {record[f"{name}/key"].decode(): record for record in described.records(name)}
            assert {key: record[f"{name}/content"] for key, record in records.items()} == {
                key: members[member] for key, members in pairs.items()
            }
            assert all(key.startswith(record[f"{name}/split"].decode()) for key, record in records.items())


def test_the_records_of_the_index_are_its_rows(described: mlcroissant.Dataset, on_hub: Path) -> None:
    rows = [row for path in (on_hub / "index").glob("*.parquet") for row in pq.read_table(path).to_pylist()]
    levels = {record["index/key"].decode(): record["index/lufs"] for record in described.records("index")}
    assert levels == {row["key"]: row["lufs"] for row in rows}


def test_it_says_how_the_release_was_made(on_hub: Path, tiny_facts: ReleaseFacts) -> None:
    content = json.loads((on_hub / "croissant.json").read_text())
    library, recipe = content["prov:wasDerivedFrom"]
    assert library["sha256"] == tiny_facts.library_digest
    assert recipe["text"] == tiny_facts.recipe_text
    build = content["prov:wasGeneratedBy"]
    assert build["sha256"] == tiny_facts.fingerprint
    assert build["prov:wasAssociatedWith"]["softwareVersion"] == tiny_facts.rmod
    assert {"@id": library["@id"]} in build["prov:used"]
    assert content["usageInfo"]["@type"] == ["sc:CreativeWork", "odrl:Offer"]


@pytest.mark.parametrize(
    ("licences", "duties", "prohibitions"),
    [
        (["CC0-1.0"], [], []),
        (["CC-BY-4.0"], ["odrl:attribute", "Notice"], []),
        (["CC0-1.0", "CC-BY-SA-4.0"], ["odrl:attribute", "Notice", "ShareAlike"], []),
        (["CC-BY-SA-3.0-US"], ["odrl:attribute", "Notice", "ShareAlike"], []),  # not in the SPDX list
        (["CC-BY-NC-4.0"], ["odrl:attribute", "Notice"], ["CommercialUse"]),
        (["CC-BY-ND-4.0"], ["odrl:attribute", "Notice"], ["odrl:derive"]),
    ],
)
def test_the_terms_follow_from_the_licences(licences: list[str], duties: list[str], prohibitions: list[str]) -> None:
    offer = describe_terms(_request_under(*licences))
    permission = offer["odrl:permission"]
    assert [_name(duty) for duty in permission.get("odrl:duty", [])] == duties
    assert [_name(rule) for rule in offer.get("odrl:prohibition", [])] == prohibitions
    permitted = {action["@id"] for action in permission["odrl:action"]}
    assert ("odrl:derive" in permitted) == ("odrl:derive" not in prohibitions)


def test_unknown_terms_permit_nothing() -> None:
    assert "odrl:permission" not in describe_terms(_request_under(""))


def _name(rule: dict[str, dict[str, str]]) -> str:
    return rule["odrl:action"]["@id"].rpartition("#")[2]


def _request_under(*licences: str) -> ReleaseRequest:
    from types import SimpleNamespace

    sounds = tuple(
        AttributedSound(file=licence, kind="kick", creator="", source="", licence=licence, sha256="")
        for licence in licences
    )
    selected = SelectedPairs(keys=None, pairs={}, sounds=sounds, mixtures={}, licences=frozenset(licences))
    return SimpleNamespace(licensing=make_licensing(selected, (), LicenceClass.ANY))  # type: ignore[return-value]


def test_the_sample_has_a_date() -> None:
    """Without one, `mlcroissant validate` warns."""
    makefile = (Path(__file__).parents[2] / "Makefile").read_text(encoding="utf-8")
    commands = makefile.partition("\nrelease-sample:")[2].partition("\n\n")[0]
    assert "--date $(SAMPLE_DATE)" in commands
    assert re.search(r"^SAMPLE_DATE := \d{4}-\d\d-\d\d$", makefile, re.MULTILINE)


def test_a_family_without_tars_is_not_described(
    on_hub: Path, tiny_request: ReleaseRequest, tiny_facts: ReleaseFacts, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(records, "_describe_tars", lambda *_: iter(()))
    described = records.describe_files(on_hub, replace(tiny_request, loose=False), tiny_facts)
    assert [each["@id"] for each in described] == ["index-files"]
