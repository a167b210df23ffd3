"""Say what the figures of an evaluation come from: checksums of models, libraries, data sets and folders of answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from rmod_pipeline import __version__
from rmod_pipeline.audio import processor_family
from rmod_pipeline.codec.catalogue import find_weights
from rmod_pipeline.ear.checkpoint import SHIPPED_EAR
from rmod_pipeline.errors import UsageError
from rmod_pipeline.evaluation.recipe import TRUTH, EvaluationRecipe, name_of
from rmod_pipeline.evaluation.sets.pairs import EvaluationSet, digest_keys
from rmod_pipeline.evaluation.store import ChunkOrigin
from rmod_pipeline.library.manifest import load_library
from rmod_pipeline.shards.fingerprint import fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import Layout
from rmod_pipeline.storage import parse_location
from rmod_pipeline.storage.publish import file_digest

ANSWERS_VERSION, MEASURES_VERSION = 1, 1
"""They rise when the same systems answer otherwise, or the same answers are measured otherwise."""


def describe_system(choice: Any, recipe: EvaluationRecipe) -> dict[str, Any]:
    """Return what decides the answers of a system beside the mixtures: its options, and checksums of what it reads.

    Raises UsageError for a folder that is missing, and the errors of a library or codec.
    """
    content: dict[str, Any] = choice.model_dump(mode="json")
    checksums = dict(_list_checksums(content))
    used = content.get("of")
    if used is not None:
        source = next(each for each in recipe.systems if name_of(each) == used)
        content["of"] = describe_system(source, recipe)
    return {**content, "checksums": checksums}


def _list_checksums(content: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for key, value in content.items():
        match key, value:
            case "checkpoint", str(path):
                yield key, digest_files(Path(path), "*.pth")
            case "ear", None:
                yield key, file_digest(SHIPPED_EAR)
            case "ear", str(path):
                yield key, digest_files(Path(path), "*.pth")
            case "codec", str(name):
                yield key, file_digest(find_weights(name)[1])
            case "library", str(name):
                yield key, load_library(name).digest
            case "folder", str(path):
                yield key, digest_listing(Path(path))


def digest_files(path: Path, pattern: str) -> str:
    """Return the SHA-256 of a file, or of all files of a folder that match. Raises UsageError if there is none."""
    files = [path] if path.is_file() else sorted(path.glob(pattern))
    if not files:
        raise UsageError(path, "no such file, and no folder with one", f"give a file, or a folder with {pattern}")
    return digest_keys([file_digest(file) for file in files])


def digest_listing(folder: Path) -> str:
    """Return the SHA-256 of the names, sizes and times of all files in a folder. Raises UsageError for no folder."""
    if not folder.is_dir():
        raise UsageError(folder, "no such folder", "give a folder with KEY.kick.wav or kick/KEY.wav")
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    states = [(str(path.relative_to(folder)), path.stat()) for path in files]
    return digest_keys([f"{name} {state.st_size} {state.st_mtime_ns}" for name, state in states])


def list_origins(
    recipe: EvaluationRecipe, test_set: EvaluationSet, systems: Sequence[str], embeddings: Sequence[str]
) -> dict[str, ChunkOrigin]:
    """Return for the truth and each system what decides the content of its files.

    embeddings: their identities.
    """
    mixtures = [test_set.digest, digest_keys(test_set.keys), list(recipe.kinds), processor_family(), __version__]
    extra: list[Any] = [recipe.seed]
    sounds = test_set.choice.sounds or getattr(test_set.choice, "data", None)
    if sounds is not None:
        extra.append(fingerprint_digest(read_fingerprint(Layout(parse_location(sounds)).build)))
    stems = getattr(test_set.choice, "stems", None)
    if stems is not None:
        extra.append(digest_listing(Path(stems)))
    measures = _digest([MEASURES_VERSION, mixtures, list(embeddings)])
    by_name = {name_of(choice): describe_system(choice, recipe) for choice in recipe.systems}
    descriptions: dict[str, dict[str, Any]] = {TRUTH: {}, **{name: by_name[name] for name in systems}}
    return {
        name: ChunkOrigin(
            answers=_digest([ANSWERS_VERSION, mixtures, extra, description]),
            measures=measures,
            system=description,
        )
        for name, description in descriptions.items()
    }


def _digest(content: Any) -> str:
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
