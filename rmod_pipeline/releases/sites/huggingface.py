"""Release to the Hugging Face hub: the data card with a header that says how to load each family."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import yaml

from rmod_pipeline.errors import UsageError
from rmod_pipeline.releases.card import CARD
from rmod_pipeline.releases.facts import FamilyFacts, ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseFormat, ReleaseRequest
from rmod_pipeline.releases.sites.limits import (
    HUB_FILE_BYTES,
    HUB_FILES,
    HUB_FOLDER_ENTRIES,
    HUB_LICENCES,
    HUB_OTHER,
    count_entries,
)

LICENCE_FILE = "LICENSE.md"
"""The file that the hub links for a licence that is not on its list."""

OWN_FILES = 100
"""Files that are not data, at most: the card with its plots, the citation, the licences, the checksums and so on."""

_SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"), (10**7, "1M<n<10M"))


class HuggingFace(ReleaseFormat):
    """A folder for ``hf upload``."""

    name = "huggingface"

    def check(self, request: ReleaseRequest, facts: ReleaseFacts) -> None:  # noqa: ARG002
        """Raise UsageError for a name or for files that the hub refuses. Writes nothing."""
        if "--" in request.name or ".." in request.name or len(request.name) > 96:
            found = f"{request.name!r}; the hub takes up to 96 characters without -- and .."
            raise UsageError("--name", found, "give one of up to 96 lower-case letters, digits and single hyphens")
        fewer = "build it with a larger --shard-size: fewer, larger tars"
        if request.loose:
            found = "single files, but the hub reads a data set of sound from tars"
            raise UsageError("--loose", found, "leave it out")
        if len(request.files) + OWN_FILES >= HUB_FILES:
            found = f"{len(request.files):,} files; the hub takes fewer than {HUB_FILES:,} in a repository"
            raise UsageError(request.out, found, fewer)
        for folder, entries in sorted(count_entries(request.files).items()):
            if entries >= HUB_FOLDER_ENTRIES:
                found = f"{entries:,} files in {folder}; the hub takes fewer than {HUB_FOLDER_ENTRIES:,} in a folder"
                raise UsageError(request.out, found, fewer)
        for file in request.files:
            if file.bytes > HUB_FILE_BYTES:
                found = f"{file.path} has {file.bytes / 10**9:,.0f} GB; the hub takes {HUB_FILE_BYTES / 10**9:,.0f} GB"
                raise UsageError(request.out, found, "build it with a smaller --shard-size: more, smaller tars")

    def write(self, folder: Path, request: ReleaseRequest, facts: ReleaseFacts) -> None:
        """Put the header above the data card, and write the licence where the hub does not know it."""
        card = (folder / CARD).read_text(encoding="utf-8")
        header = yaml.safe_dump(describe_for_hub(request, facts), sort_keys=False, allow_unicode=True, width=120)
        (folder / CARD).write_text(f"---\n{header}---\n{card}", encoding="utf-8")
        if choose_hub_licences(request.licensing.expression) == [HUB_OTHER]:
            text = (
                f"# Licence\n\n`{request.licensing.expression}`\n\n"
                "`ATTRIBUTION.csv` has the licence of every sound in use, and `LICENSES/` the texts.\n"
            )
            (folder / LICENCE_FILE).write_text(text, encoding="utf-8")

    def next_command(self, request: ReleaseRequest) -> str:
        """Return the command that uploads the folder."""
        repository = f"{request.owner}/{request.name}" if request.owner else request.name
        return f"hf upload {shlex.quote(repository)} {shlex.quote(str(request.to))} . --repo-type dataset"


def describe_for_hub(request: ReleaseRequest, facts: ReleaseFacts) -> dict[str, Any]:
    """Return the header of the card: one config per family and one for the index, with one pattern per split."""
    licences = choose_hub_licences(request.licensing.expression)
    header: dict[str, Any] = {
        "pretty_name": request.title,
        "license": licences[0] if len(licences) == 1 else licences,
    }
    if licences == [HUB_OTHER]:
        header |= {"license_name": request.licensing.expression.lower(), "license_link": LICENCE_FILE}
    families = [family for family in facts.families if family.files]
    splits = [split.name for split in facts.splits if split.pairs]
    tags = {"audio", "drums", "music", "one-shot", "webdataset", *request.keywords}
    configs = [_describe_config(family.config, splits, family.name, "tar") for family in families]
    configs.append(_describe_config("index", splits, "index", "parquet"))
    configs[0]["default"] = True
    return header | {
        "task_categories": ["audio-to-audio"],
        "tags": sorted(tags),
        "size_categories": [next((name for most, name in _SIZES if facts.pairs < most), "n>10M")],
        "configs": configs,
        "dataset_info": [{"config_name": family.config, "features": _describe_features(family)} for family in families],
    }


def choose_hub_licences(expression: str) -> list[str]:
    """Return the hub's names of the licences of an SPDX expression, or ``other`` alone if it lacks one.

    All licences of the list apply. So an expression that leaves a choice is ``other``.
    """
    from rmod_pipeline.library.licences import split_licences

    names = split_licences(expression)
    if not names or any(name not in HUB_LICENCES for name in names) or " OR " in expression or " WITH " in expression:
        return [HUB_OTHER]
    return sorted({HUB_LICENCES[name] for name in names})


def _describe_config(name: str, splits: Iterable[str], folder: str, ending: str) -> dict[str, Any]:
    data_files = [{"split": split, "path": f"{folder}/{split}-*.{ending}"} for split in splits]
    return {"config_name": name, "data_files": data_files}


def _describe_features(family: FamilyFacts) -> list[dict[str, Any]]:
    """Return the columns of a family. Without them, readers infer the form of the JSON from the first pairs alone.

    Sound is given as bytes, because ``datasets`` cannot even open a column of sound without torchcodec and FFmpeg.
    """
    features: list[dict[str, Any]] = []
    for member in family.members:
        ending = member.rpartition(".")[2]
        if ending == "json":
            features.append({"name": member, "dtype": "json"})
        elif ending == "npy":
            features.append({"name": member, "list": {"list": "uint16"}})
        else:
            features.append({"name": member, "dtype": "binary"})
    return [*features, {"name": "__key__", "dtype": "string"}, {"name": "__url__", "dtype": "string"}]
