"""Describe the files and the records of a release for Croissant.

The records of a family lie in tars. Croissant has one set of records per member: the mixtures, the kicks, and so on.
All of them have the key of the pair.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from rmod_pipeline.releases.facts import FamilyFacts, ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.shards.layout import AUDIO, Layout
from rmod_pipeline.shards.receipt import FileRecord, read_receipt

_MEDIA_TYPES = {
    "wav": ("audio/wav", "sc:AudioObject"),
    "flac": ("audio/flac", "sc:AudioObject"),
    "mid": ("audio/midi", "sc:AudioObject"),
    "json": ("application/json", "sc:Text"),
    "npy": ("application/octet-stream", "sc:AudioObject"),
}
"""By ending: the media type of a member, and its type in Croissant, which has none for bytes."""

_INDEX = "index"

_COLUMNS = {
    "key": ("sc:Text", "The pair, such as train-00000012."),
    "split": ("sc:Text", "The split of the pair."),
    "index": ("sc:Integer", "The number of the pair in its split."),
    "attempt": ("sc:Integer", "The attempt that gave the pair, or that was rejected."),
    "status": ("sc:Text", "pair, or reject for an attempt that is not in the data."),
    "stage": ("sc:Text", "For a reject: what was judged."),
    "reason": ("sc:Text", "For a reject: why."),
    "lufs": ("sc:Float", "Loudness of the mixture, in LUFS."),
    "peak_dbfs": ("sc:Float", "Sample peak of the mixture, in dBFS."),
    "rms_dbfs": ("sc:Float", "RMS level of the mixture, in dBFS."),
    "side_mid_db": ("sc:Float", "Level of the side signal of the mixture against its mid signal, in dB."),
    "full_scale_share": ("sc:Float", "Share of the samples of the mixture that are at full scale."),
}
"""Columns of the index that hold one value: data type and meaning."""


def describe_files(folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> list[dict[str, Any]]:
    """Return the files of a release: tars with checksums, what they hold, and the index. Raises ShardError."""
    files: list[dict[str, Any]] = [
        {
            "@type": "cr:FileSet",
            "@id": "index-files",
            "name": "index-files",
            "description": f"One row per pair{_and_rejects(request)}.",
            "encodingFormat": "application/x-parquet",
            "includes": f"{_INDEX}/*.parquet",
        }
    ]
    for family in facts.families:
        if _is_loose(family, request):
            files += [_describe_loose_member(family, member) for member in family.members]
            continue
        tars = list(_describe_tars(folder, family))
        if not tars:
            continue
        files += tars
        inside = [{"@id": tar["@id"]} for tar in tars]
        files += [_describe_member(family, member, inside) for member in family.members]
    return files


def describe_records(request: ReleaseRequest, facts: ReleaseFacts) -> list[dict[str, Any]]:
    """Return the sets of records of a release: its splits, the index, and one set per member of each family."""
    members = [
        _describe_member_records(family, member)
        for family in facts.families
        if family.files and not _is_loose(family, request)
        for member in family.members
    ]
    return [_describe_splits(facts), _describe_index(request), *members]


def _is_loose(family: FamilyFacts, request: ReleaseRequest) -> bool:
    return request.loose and family.name == AUDIO


def _describe_tars(folder: Path, family: FamilyFacts) -> Iterator[dict[str, Any]]:
    layout = Layout(folder)
    for paths in family.files.values():
        for path in paths:
            record = _find_record(layout, family.name, path)
            yield {
                "@type": "cr:FileObject",
                "@id": path,
                "name": path,
                "contentUrl": path,
                "contentSize": f"{record.bytes} B",
                "encodingFormat": "application/x-tar",
                "sha256": record.sha256,
            }


def _find_record(layout: Layout, family: str, path: str) -> FileRecord:
    receipt = read_receipt(layout.receipt(Path(path).stem, family))
    return next(record for record in receipt.files if record.path == path)


def _set_id(family: FamilyFacts, member: str) -> str:
    """Return the name of a set of records, such as ``audio-mix`` and ``audio-json``."""
    return f"{family.config}-{member.rpartition('.')[0] or member}"


def _describe_member(family: FamilyFacts, member: str, inside: list[dict[str, str]]) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{_set_id(family, member)}-files",
        "name": f"{_set_id(family, member)}-files",
        "description": f"The file KEY.{member} of every pair, inside the tars.",
        "containedIn": inside if len(inside) > 1 else inside[0],
        "encodingFormat": _MEDIA_TYPES[member.rpartition(".")[2]][0],
        "includes": f"*.{member}",
    }


def _describe_loose_member(family: FamilyFacts, member: str) -> dict[str, Any]:
    return {
        "@type": "cr:FileSet",
        "@id": f"{_set_id(family, member)}-files",
        "name": f"{_set_id(family, member)}-files",
        "description": f"The file KEY.{member} of every pair.",
        "encodingFormat": _MEDIA_TYPES[member.rpartition(".")[2]][0],
        "includes": f"{family.name}/*/*.{member}",
    }


def _describe_member_records(family: FamilyFacts, member: str) -> dict[str, Any]:
    name = _set_id(family, member)
    files, (media_type, data_type) = f"{name}-files", _MEDIA_TYPES[member.rpartition(".")[2]]
    key = {"fileSet": {"@id": files}, "extract": {"fileProperty": "filename"}}
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "description": f"KEY.{member} of every pair in {family.name}.",
        "key": {"@id": f"{name}/key"},
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{name}/key",
                "name": "key",
                "description": "The pair.",
                "dataType": "sc:Text",
                "source": {**key, "transform": {"regex": rf"^(.+)\.{re.escape(member)}$"}},
            },
            {
                "@type": "cr:Field",
                "@id": f"{name}/split",
                "name": "split",
                "description": "The split of the pair.",
                "dataType": "sc:Text",
                "source": {**key, "transform": {"regex": r"^([a-z]+)-[0-9]{8}\."}},
            },
            {
                "@type": "cr:Field",
                "@id": f"{name}/content",
                "name": "content",
                "description": f"The bytes of the file, {media_type}.",
                "dataType": data_type,
                "source": {"fileSet": {"@id": files}, "extract": {"fileProperty": "content"}},
            },
        ],
    }


def _and_rejects(request: ReleaseRequest) -> str:
    """Return the words on rejected attempts, which the index of a release of some pairs lacks."""
    return " and one per rejected attempt" if request.pairs is None else ""


def _describe_index(request: ReleaseRequest) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": _INDEX,
        "name": _INDEX,
        "description": f"Levels: one row per pair{_and_rejects(request)}.",
        "key": [{"@id": f"{_INDEX}/key"}, {"@id": f"{_INDEX}/attempt"}],
        "field": [
            {
                "@type": "cr:Field",
                "@id": f"{_INDEX}/{column}",
                "name": column,
                "description": meaning,
                "dataType": data_type,
                "source": {"fileSet": {"@id": "index-files"}, "extract": {"column": column}},
            }
            for column, (data_type, meaning) in _COLUMNS.items()
        ],
    }


def _describe_splits(facts: ReleaseFacts) -> dict[str, Any]:
    known = {"train": "cr:TrainingSplit", "valid": "cr:ValidationSplit", "test": "cr:TestSplit"}
    return {
        "@type": "cr:RecordSet",
        "@id": "splits",
        "name": "splits",
        "description": "The splits of the data set.",
        "dataType": "cr:Split",
        "key": {"@id": "splits/name"},
        "field": [
            {"@type": "cr:Field", "@id": "splits/name", "name": "name", "dataType": "sc:Text"},
            {"@type": "cr:Field", "@id": "splits/url", "name": "url", "dataType": "sc:URL"},
            {"@type": "cr:Field", "@id": "splits/pairs", "name": "pairs", "dataType": "sc:Integer"},
        ],
        "data": [
            {"splits/name": split.name, "splits/url": known[split.name], "splits/pairs": split.pairs}
            for split in facts.splits
        ],
    }
