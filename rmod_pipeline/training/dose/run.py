"""Write DIR/run.json, which identifies the training of a folder, so that a resume never mixes two trainings."""

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
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.dose.checkpointing import DRAFTS
from rmod_pipeline.training.dose.data import TokenData

RUN = "run.json"
IDENTIFYING_KEYS = ("recipe", "data", "codec", "begun_from")
"""Keys whose values must be equal to resume a training. Versions are recorded, but may change."""


def describe_run(recipe: DoseRecipe, data: TokenData, begun_from: str | None) -> dict[str, Any]:
    """Return the content of run.json; ``begun_from`` is the SHA-256 of the checkpoint with the first weights."""
    return {
        "recipe": recipe.model_dump(mode="json"),
        "data": data.to_dict(),
        "codec": data.identity.to_dict(),
        "begun_from": begun_from,
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a training."""
    packages = {name: version(name) for name in ("torch", "lightning", "webdataset")}
    return {"rmod": __version__, "python": platform.python_version(), **packages}


def claim_run(run: Mapping[str, Any], out: Path) -> None:
    """Write a folder's run.json, or compare it with the existing one. Raises BuildError that names the differences."""
    path = out / RUN
    with report_unwritable(path, kind=DoseError):
        if not path.exists():
            publish_new(encode_fingerprint(run), path, out / DRAFTS)
        content = path.read_bytes()
    try:
        existing = {name: json.loads(content)[name] for name in IDENTIFYING_KEYS}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "choose another --out"
        raise DoseError(path, f"does not say what was trained here: {error!r}", hint) from error
    expected = {name: run[name] for name in IDENTIFYING_KEYS}
    hint = "give the options of the earlier run, or choose another --out"
    refuse_differences(existing, expected, out, "another training than the one asked for", hint)
