"""Write the papers that all formats of a release share: attribution, licences, citation, changes, description."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import Any

import yaml

from rmod_pipeline import __version__
from rmod_pipeline.library.licences.expressions import is_listed
from rmod_pipeline.releases.card.markdown import as_code, escape_markdown
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.releases.licensing.sounds import AttributedSound

ATTRIBUTION, CITATION, CHANGELOG, DESCRIPTION = "ATTRIBUTION.csv", "CITATION.cff", "CHANGELOG.md", "release.json"
LICENCES_FOLDER = "LICENSES"

ATTRIBUTION_COLUMNS = ("file", "kind", "creator", "source", "spdx", "sha256")

_FORMULA = ("=", "+", "-", "@", "\t", "\r")
"""What a spreadsheet takes for the beginning of a formula."""


def write_papers(folder: Path, request: ReleaseRequest, texts: dict[str, str], notes: str, fingerprint: str) -> None:
    """Write the papers into a folder. ``texts``: of licences by identifier; ``fingerprint``: digest of build.json."""
    (folder / LICENCES_FOLDER).mkdir()
    for name, text in texts.items():
        (folder / LICENCES_FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")
    (folder / ATTRIBUTION).write_bytes(attribution_csv(request.licensing.sounds))
    (folder / CITATION).write_text(citation_cff(request), encoding="utf-8")
    (folder / CHANGELOG).write_text(changelog(request, notes), encoding="utf-8")
    (folder / DESCRIPTION).write_text(release_json(request, fingerprint), encoding="utf-8")


def attribution_csv(sounds: Iterable[AttributedSound]) -> bytes:
    """Return a CSV with a row per sound.

    An apostrophe is put before what a spreadsheet would take for a formula.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\n")
    # Python does not quote a lone carriage return when writing, but ends a row at it when reading.
    quoting_writer = csv.writer(text, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow(ATTRIBUTION_COLUMNS)
    for sound in sounds:
        row = (sound.file, sound.kind, sound.creator, sound.source, sound.licence, sound.sha256)
        (quoting_writer if any("\r" in cell for cell in row) else writer).writerow([_plain_cell(cell) for cell in row])
    return text.getvalue().encode("utf-8", "replace")


def citation_cff(request: ReleaseRequest) -> str:
    """Return a citation in the Citation File Format 1.2.0. It has a date only if the user gave one.

    The format has no expressions of several licences, so ``license`` is there only if the whole is under one that SPDX
    lists.
    """
    content: dict[str, Any] = {
        "cff-version": "1.2.0",
        "message": "If you use this data set, please cite it, and give the credit that ATTRIBUTION.csv lists.",
        "type": "dataset",
        "title": request.title,
        "version": request.version,
        "authors": [{"name": name} for name in request.creators],
    }
    if request.subtitle:
        content["abstract"] = request.subtitle
    if request.date:
        content["date-released"] = date.fromisoformat(request.date)
    if request.keywords:
        content["keywords"] = list(dict.fromkeys(request.keywords))
    if is_listed(request.licensing.expression):
        content["license"] = request.licensing.expression
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=120)


def changelog(request: ReleaseRequest, notes: str) -> str:
    """Return the page of changes, with one heading for this version."""
    lines = [
        f"# Changes of {escape_markdown(request.title)}",
        "",
        "The eight digits after the plus sign of a version follow from the data: from `build.json`, the codecs of its",
        "tokens and the class of licences that it was cut to. Equal digits mean equal pairs.",
        "",
        f"## {escape_markdown(request.version)}",
        "",
    ]
    written = [line.strip() for line in notes.splitlines() if line.strip()]
    lines += [f"- {escape_markdown(line.removeprefix('- '))}" for line in written] or ["- No changes were noted."]
    if request.licensing.allowed:
        allowed = ", ".join(as_code(name) for name in request.licensing.allowed)
        lines.append(f"- Sounds under these licences were allowed by name: {allowed}.")
    return "\n".join(lines) + "\n"


def release_json(request: ReleaseRequest, fingerprint: str) -> str:
    """Return the release as JSON, for programs."""
    licensing = request.licensing
    content = {
        "name": request.name,
        "title": request.title,
        "subtitle": request.subtitle,
        "version": request.version,
        "date": request.date,
        "format": request.format,
        "creators": list(request.creators),
        "keywords": list(request.keywords),
        "licence": licensing.expression,
        "licences_allowed": list(licensing.allowed),
        "licence_class": licensing.licence_class.value,
        "sounds": len(licensing.sounds),
        "pairs_left_out": request.pairs is not None,
        "loose": request.loose,
        "build": fingerprint,
        "rmod": __version__,
    }
    return json.dumps(content, indent=1, ensure_ascii=False) + "\n"


def _plain_cell(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
