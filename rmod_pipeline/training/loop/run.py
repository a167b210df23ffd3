"""Write DIR/run.json, which identifies the training of a folder, so that a resume never mixes two trainings."""

from __future__ import annotations

import json
import platform
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.errors import ModelError
from rmod_pipeline.recipe.schedule import TrainingRecipe, renew_recipe
from rmod_pipeline.shards.fingerprint import encode_fingerprint, refuse_differences
from rmod_pipeline.storage.publish import publish_new
from rmod_pipeline.storage.writing import report_unwritable
from rmod_pipeline.training.loop.checkpointing import DRAFTS

RUN = "run.json"
VERSIONS = "versions"
"""Key of run.json. Versions are recorded, but may change; all other values must be equal to resume a training."""


def package_versions() -> dict[str, str]:
    """Return the versions of Python and of the packages that affect a training."""
    packages = {name: version(name) for name in ("torch", "lightning", "webdataset")}
    return {"rmod": __version__, "python": platform.python_version(), **packages}


def claim_run(run: Mapping[str, Any], recipe: TrainingRecipe, out: Path) -> None:
    """Write a folder's run.json, or compare it with the existing one. Raises BuildError that names the differences.

    ``run``: what identifies the training; its ``recipe`` and the versions of packages are added.
    """
    path, run = out / RUN, {"recipe": recipe.model_dump(mode="json"), **run}
    with report_unwritable(path, kind=ModelError):
        if not path.exists():
            publish_new(encode_fingerprint({**run, VERSIONS: package_versions()}), path, out / DRAFTS)
        content = path.read_bytes()
    try:
        stored = json.loads(content)
        recorded = stored["recipe"]["name"]
        existing = {name: stored[name] for name in run if name in stored}
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        hint = "choose another --out"
        raise ModelError(path, f"does not say what was trained here: {error!r}", hint) from error
    if existing.keys() != run.keys():
        # A training of another kind, or one of an older rmod.
        found = f"another training than the one asked for: that of the recipe {recorded}, with other keys"
        raise ModelError(path, found, "choose another --out")
    existing["recipe"] = renew_recipe(existing["recipe"], recipe)
    hint = "give the options of the earlier run, or choose another --out"
    refuse_differences(existing, run, out, "another training than the one asked for", hint)
