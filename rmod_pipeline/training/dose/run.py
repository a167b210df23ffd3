"""DIR/run.json: what a folder's trainings are of, so that a resume never mixes two."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.dose.recipe import DoseRecipe
from rmod_pipeline.errors import DoseError
from rmod_pipeline.shards.fingerprint import encode_fingerprint, refuse_differences
from rmod_pipeline.storage.publish import publish_new
from rmod_pipeline.training.dose.checkpointing import DRAFTS, unwritable
from rmod_pipeline.training.dose.data import TokenData

RUN = "run.json"
DECISIVE = ("recipe", "data", "codec", "begun_from")
"""What has to be the same for a training to go on. Versions are told, and may change."""


def describe_run(recipe: DoseRecipe, data: TokenData, begun_from: str | None) -> dict[str, Any]:
    """Return what stands in run.json. ``begun_from`` is the SHA-256 of the checkpoint whose weights it began with."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": data.to_dict(),
        "codec": data.identity.to_dict(),
        "begun_from": begun_from,
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of what trains."""
    packages = {name: version(name) for name in ("torch", "lightning", "webdataset")}
    return {"rmod": __version__, "python": platform.python_version(), **packages}


def claim_run(run: Mapping[str, Any], out: Path) -> None:
    """Make a folder's run.json unless the one there says the same. Raises BuildError, which names the differences."""
    path = out / RUN
    try:
        if not path.exists():
            publish_new(encode_fingerprint(run), path, out / DRAFTS)
        content = path.read_bytes()
    except OSError as error:
        raise unwritable(path, error) from error
    try:
        there = {name: json.loads(content)[name] for name in DECISIVE}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "choose another --out"
        raise DoseError(path, f"does not tell what was trained here: {error!r}", hint) from error
    asked = {name: run[name] for name in DECISIVE}
    hint = "give what it was begun with, or choose another --out"
    refuse_differences(there, asked, out, "a training of something else than asked for", hint)
