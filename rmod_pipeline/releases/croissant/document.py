"""Put the Croissant description of a release together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from rmod_pipeline.releases.croissant.provenance import describe_provenance, describe_terms
from rmod_pipeline.releases.croissant.records import describe_files, describe_records
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest

CROISSANT = "croissant.json"
"""The file of the description in the folder of a release."""

VERSION = "http://mlcommons.org/croissant/1.1"

_CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "annotation": "cr:annotation",
    "arrayShape": "cr:arrayShape",
    "citeAs": "cr:citeAs",
    "column": "cr:column",
    "conformsTo": "dct:conformsTo",
    "containedIn": "cr:containedIn",
    "cr": "http://mlcommons.org/croissant/",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "dct": "http://purl.org/dc/terms/",
    "description": {"@container": "@language"},
    "equivalentProperty": "cr:equivalentProperty",
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "excludes": "cr:excludes",
    "extract": "cr:extract",
    "field": "cr:field",
    "fileObject": "cr:fileObject",
    "fileProperty": "cr:fileProperty",
    "fileSet": "cr:fileSet",
    "format": "cr:format",
    "includes": "cr:includes",
    "isArray": "cr:isArray",
    "isLiveDataset": "cr:isLiveDataset",
    "jsonPath": "cr:jsonPath",
    "key": "cr:key",
    "md5": "cr:md5",
    "name": {"@container": "@language"},
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "parentField": "cr:parentField",
    "path": "cr:path",
    "prov": "http://www.w3.org/ns/prov#",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "readLines": "cr:readLines",
    "recordSet": "cr:recordSet",
    "references": "cr:references",
    "regex": "cr:regex",
    "repeated": "cr:repeated",
    "replace": "cr:replace",
    "samplingRate": "cr:samplingRate",
    "sc": "https://schema.org/",
    "sdVersion": "cr:sdVersion",
    "separator": "cr:separator",
    "source": "cr:source",
    "subField": "cr:subField",
    "transform": "cr:transform",
    "unArchive": "cr:unArchive",
    "value": "cr:value",
}


def describe_release(folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> dict[str, Any]:
    """Return the description of the release in a folder, which holds its data files and receipts. Raises ShardError."""
    version, _, build = request.version.partition("+")
    document = {
        "@context": _CONTEXT,
        "@type": "sc:Dataset",
        "name": request.name,
        "alternateName": request.title,
        "description": _describe(request, facts),
        "conformsTo": VERSION,
        "version": version,
        "datePublished": request.date,
        "identifier": [f"sha256:{facts.fingerprint}", request.version],
        "license": _licence_urls(request),
        "creator": [{"@type": "sc:Person", "name": name} for name in request.creators],
        "keywords": sorted({"audio", "music", "drums", "one-shot", *facts.targets, *request.keywords}),
        "citeAs": _cite(request, build),
        "isLiveDataset": False,
        **describe_provenance(request, facts),
        "usageInfo": describe_terms(request),
        "rai:dataLimitations": (
            "The mixtures are random: their hits, keys, tempos and instruments do not fit each other as in a song."
        ),
        "rai:dataUseCases": "Training and testing models that extract the dry one-shots of drums from a mixture.",
        "distribution": describe_files(folder, request, facts),
        "recordSet": describe_records(request, facts),
    }
    return {key: value for key, value in document.items() if value or value is False}


def write_croissant(folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
    """Write the description of the release into its folder. Raises ShardError."""
    text = json.dumps(describe_release(folder, request, facts), indent=1, ensure_ascii=False)
    (folder / CROISSANT).write_text(text + "\n", encoding="utf-8")


def _describe(request: ReleaseRequest, facts: ReleaseFacts) -> str:
    kinds = ", ".join(facts.targets)
    pairs = f"{facts.pairs} pairs of a music mixture and the dry one-shots of its drums ({kinds})."
    return f"{request.title}. {request.subtitle} {pairs}" if request.subtitle else f"{request.title}. {pairs}"


def _licence_urls(request: ReleaseRequest) -> list[str]:
    """Return the address of each licence of the whole; a licence without one by its identifier."""
    from rmod_pipeline.library.licences import split_licences

    names = split_licences(request.licensing.expression)
    return [name if name.startswith("LicenseRef-") else f"https://spdx.org/licenses/{name}.html" for name in names]


def _cite(request: ReleaseRequest, build: str) -> str:
    """Return a BibTeX entry. Braces and backslashes of the user's text are left out, because they are BibTeX's own."""
    clean = str.maketrans("", "", "{}\\")
    author = " and ".join(name.translate(clean) for name in request.creators)
    lines = [f"  title = {{{request.title.translate(clean)}}},", f"  version = {{{request.version}}},"]
    lines += [f"  author = {{{author}}},"] if author else []
    return "\n".join([f"@misc{{{request.name}-{build or request.version},", *lines, "}"])
