"""Release to Kaggle: dataset-metadata.json, a cover picture and a notebook."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path
from typing import Any

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.releases.card import CARD
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.figures import check_matplotlib
from rmod_pipeline.releases.formats import ReleaseFormat, ReleaseRequest
from rmod_pipeline.releases.sites.cover import draw_cover
from rmod_pipeline.releases.sites.limits import (
    KAGGLE_BYTES,
    KAGGLE_KEYWORDS,
    KAGGLE_LICENCES,
    KAGGLE_OTHER,
    KAGGLE_SLUG,
    KAGGLE_SUBTITLE,
    KAGGLE_TITLE,
    KAGGLE_TOP_LEVEL_FILES,
    check_site_length,
    count_entries,
)
from rmod_pipeline.releases.sites.notebook import NOTEBOOK, write_notebook

METADATA = "dataset-metadata.json"
COVER = "dataset-cover-image.png"
"""The name by which the site's command knows the picture."""

OWN_FILES = 20
"""Entries of the folder that are not data, at most: the card, the citation, the licences, the checksums and so on."""

_DESCRIBED = {
    "ATTRIBUTION.csv": "Licence, creator and source of every sound in use.",
    "README.md": "The data card: what was measured, how it was made, limits, licences.",
    "SHA256SUMS": "Checksum of every file: sha256sum -c SHA256SUMS",
    "build.json": "The fingerprint: recipe, library digest, seed, versions. It decides the bytes.",
    "croissant.json": "Description in Croissant 1.1, for mlcroissant.",
    NOTEBOOK: "Loads, plays and plots pairs, and trains for a minute.",
}
_PICTURE = re.compile(r"^!\[.*\]\(.*\)\n\n?", re.MULTILINE)
_OWNER = re.compile(r"[A-Za-z0-9-]+")
_SLUG = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")


class Kaggle(ReleaseFormat):
    """A folder for ``kaggle datasets create``."""

    name = "kaggle"

    def check_texts(self, title: str, subtitle: str) -> None:
        """Raise UsageError for a title or a subtitle that is too short or too long."""
        check_site_length("--title", title, KAGGLE_TITLE, "Kaggle")
        if subtitle:
            check_site_length("--subtitle", subtitle, KAGGLE_SUBTITLE, "Kaggle")

    def check(self, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Raise UsageError for a name, a keyword or a size that Kaggle refuses. Writes nothing."""
        check_matplotlib()
        check_site_length("--title", request.title, KAGGLE_TITLE, "Kaggle")
        check_site_length("--subtitle", make_subtitle(request, facts), KAGGLE_SUBTITLE, "Kaggle")
        check_site_length("--name", request.name, KAGGLE_SLUG, "Kaggle")
        if not _SLUG.fullmatch(request.name):
            raise UsageError("--name", f"{request.name!r}", "use lower-case letters, digits and single hyphens")
        if not _OWNER.fullmatch(request.owner):
            found = f"{request.owner!r}; Kaggle needs the user or the organisation that the data set will belong to"
            raise UsageError("--owner", found, "give the name in your Kaggle address")
        for keyword in request.keywords:
            if keyword not in KAGGLE_KEYWORDS:
                found = (
                    f"unknown '{keyword}'{nearest(keyword, KAGGLE_KEYWORDS)}; Kaggle drops what is no tag of its own"
                )
                raise UsageError("--keyword", found, f"choose {', '.join(KAGGLE_KEYWORDS)}")
        size = sum(file.bytes for file in request.files)
        if size > KAGGLE_BYTES:
            found = f"{size / 10**9:,.1f} GB; Kaggle takes {KAGGLE_BYTES / 10**9:,.0f} GB per data set"
            raise UsageError(request.out, found, "build fewer pairs, or release the tokens alone")
        entries = count_entries(request.files)["."] + OWN_FILES
        if entries > KAGGLE_TOP_LEVEL_FILES:
            found = f"{entries} files and folders side by side; Kaggle takes {KAGGLE_TOP_LEVEL_FILES}"
            raise UsageError(request.out, found, "release fewer families")

    def write(self, folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Write the metadata, the cover and the notebook."""
        (folder / COVER).write_bytes(draw_cover(request, facts))
        write_notebook(folder, request, facts)
        text = json.dumps(describe_for_kaggle(folder, request, facts), indent=2, ensure_ascii=False)
        (folder / METADATA).write_text(text + "\n", encoding="utf-8")

    def next_command(self, request: ReleaseRequest) -> str:
        """Return the command that uploads the folder. Folders travel as tars, and Parquet files stay what they are."""
        return f"kaggle datasets create --path {shlex.quote(str(request.to))} --dir-mode tar --keep-tabular"


def describe_for_kaggle(folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> dict[str, Any]:
    """Return the content of dataset-metadata.json."""
    keywords = request.keywords or ("audio",)
    card = (folder / CARD).read_text(encoding="utf-8")
    return {
        "title": request.title,
        "subtitle": make_subtitle(request, facts),
        "description": _PICTURE.sub("", card),
        "id": f"{request.owner}/{request.name}",
        "licenses": [{"name": KAGGLE_LICENCES.get(request.licensing.expression, KAGGLE_OTHER)}],
        "keywords": sorted(set(keywords)),
        "resources": [
            {"path": path, "description": meaning}
            for path, meaning in sorted(_DESCRIBED.items())
            if (folder / path).exists() or path == "SHA256SUMS"
        ],
        "image": COVER,
    }


def make_subtitle(request: ReleaseRequest, facts: ReleaseFacts) -> str:
    """Return the user's subtitle, or one that says how many pairs of what there are."""
    return request.subtitle or f"{facts.pairs:,} pairs of a music mixture and its dry drum one-shots"
