"""Say how a released data set is built again: the recipe, the commands, and the versions that decide the bytes."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.catalogue import KNOWN
from rmod_pipeline.errors import ShardError
from rmod_pipeline.library.manifest import BUILTIN
from rmod_pipeline.pipeline.event_log import read_library_record
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.recipe.show import recipe_yaml
from rmod_pipeline.releases.card.markdown import as_block, as_code
from rmod_pipeline.releases.formats import ReleaseRequest
from rmod_pipeline.shards.fingerprint import GROOVES, LICENCES, Fingerprint, is_imported, read_fingerprint
from rmod_pipeline.shards.layout import TOKENS, Layout
from rmod_pipeline.shards.token_family import family_names, read_family
from rmod_pipeline.storage import Location

RECIPE = "recipe.yaml"
REBUILD = "REBUILD.md"

_LIBRARY, _GROOVES, _OUT, _FOLDER, _TABLE = "LIBRARY.csv", "GROOVES.csv", "OUT", "DIR", "TABLE.csv"


def write_rebuild_files(folder: Path, request: ReleaseRequest) -> None:
    """Write the recipe, and the page with the commands that build the data set again."""
    fingerprint = read_fingerprint(Layout(request.out).build)
    (folder / RECIPE).write_text(recipe_yaml(_read_recipe(request.out, fingerprint)), encoding="utf-8")
    (folder / REBUILD).write_text(_describe(request, fingerprint), encoding="utf-8")


def rebuild_commands(out: Location) -> list[str]:
    """Return the commands that build a data set again from ``recipe.yaml``, quoted for a shell.

    ``OUT``, ``GROOVES.csv`` and, unless the sounds are the built-in ones, ``LIBRARY.csv`` stand for the paths of the
    reader. Imported pairs are imported again, from the folder ``DIR`` with the table ``TABLE.csv``.
    """
    fingerprint = read_fingerprint(Layout(out).build)
    sources = ["--library", _library_name(out), *(["--grooves", _GROOVES] if GROOVES in fingerprint else [])]
    words = ["rmod", "build", RECIPE, *sources, "--out", _OUT, *_options(fingerprint)]
    if is_imported(fingerprint):
        words = ["rmod", "import-pairs", _FOLDER, "--out", _OUT, *_import_options(fingerprint)]
    codecs = [_codec_options(out, name) for name in family_names(out)]
    first = [] if fingerprint["audio"] else ["--no-audio", *codecs.pop(0)]
    return [shlex.join([*words, *first]), *(shlex.join(["rmod", "encode", _OUT, *options]) for options in codecs)]


def _options(fingerprint: Fingerprint) -> list[str]:
    """Return the options of a build that are not its defaults, and those that everybody wants to see."""
    pairs = ",".join(f"{split}={count}" for split, count in fingerprint["pairs"].items())
    words = ["--pairs", pairs, "--seed", str(fingerprint["seed"]), "--shard-size", str(fingerprint["shard_size"])]
    words += ["--format", str(fingerprint["format"]), "--engine", str(fingerprint["engine"])]
    words += ["--stems"] if fingerprint["stems"] else []
    limit = fingerprint["library"].get(LICENCES)
    return [*words, "--licences", str(limit)] if limit else words


def _import_options(fingerprint: Fingerprint) -> list[str]:
    """Return the options of an import. Licences, sources and splits come from a table."""
    recipe = fingerprint["recipe"]
    words = ["--table", _TABLE, "--kinds", ",".join(recipe["drums"]), "--sample-rate", str(recipe["sample_rate"])]
    words += ["--seconds", f"{recipe['seconds']:g}", "--shard-size", str(fingerprint["shard_size"])]
    return [*words, "--format", str(fingerprint["format"])]


def _codec_options(out: Location, name: str) -> list[str]:
    """Return the options that make the tokens of a family, with a build or afterwards; none is left to a default."""
    codec = read_family(out, name).codec
    known = next((each for each in KNOWN if name.startswith(f"{each}-")), "WEIGHTS.pth")
    words = ["--codec", known, "--device", str(codec.get("device", "auto"))]
    words += ["--precision", str(codec.get("precision", "fp32")), "--batch", str(codec.get("batch", 1))]
    words.append("--compile" if codec.get("compiled") else "--no-compile")
    return [*words, "--channels-last" if codec.get("channels_last") else "--no-channels-last"]


def _library_name(out: Location) -> str:
    manifest = read_library_record(Layout(out).log).get("manifest", "")
    return BUILTIN if manifest.endswith(f"/{BUILTIN}.csv") else _LIBRARY


def _read_recipe(out: Location, fingerprint: Fingerprint) -> Recipe:
    try:
        return Recipe.model_validate(fingerprint["recipe"])
    except ValueError as error:
        raise ShardError(Layout(out).build, f"not a build.json: {error}", "build the data set again") from error


def _describe(request: ReleaseRequest, fingerprint: Fingerprint) -> str:
    library: Mapping[str, Any] = fingerprint["library"]
    made = "The same recipe, library, seed and versions give the same bytes. `recipe.yaml` is beside this page."
    sounds = f"The library has {library['sounds']} sounds"
    if is_imported(fingerprint):
        made = "The pairs were imported. The same files, versions and TABLE.csv of licences give the same bytes."
        sounds = f"The folder has {library['sounds']} files"
    lines = [
        "# How to build this data set again",
        "",
        made,
        "",
        as_block("\n".join(rebuild_commands(request.out)), "sh"),
        "",
        f"- {sounds} and the digest {as_code(library['digest'])}.",
        "  `ATTRIBUTION.csv` names those in use, with their checksums.",
        *(f"- {line}" for line in _describe_grooves(fingerprint)),
        *(f"- {line}" for line in _describe_choices(request, fingerprint)),
        "",
        "Versions that decide the bytes:",
        "",
        "| package | version |",
        "|---|---|",
        *(f"| {as_code(name)} | {as_code(version)} |" for name, version in fingerprint["versions"].items()),
    ]
    return "\n".join(lines) + "\n"


def _describe_grooves(fingerprint: Fingerprint) -> Iterator[str]:
    if GROOVES in fingerprint:
        grooves: Mapping[str, Any] = fingerprint[GROOVES]
        yield f"The grooves are {grooves['performances']} performances with the digest {as_code(grooves['digest'])}."
        yield "A scan of their files makes their manifest; `ATTRIBUTION.csv` names those in use."


def _describe_choices(request: ReleaseRequest, fingerprint: Fingerprint) -> Iterator[str]:
    if not fingerprint["audio"]:
        yield "The data set keeps tokens and no audio, so one command builds and encodes it."
    if any(TOKENS in file.path for file in request.files):
        for name in family_names(request.out):
            yield f"The tokens {as_code(name)} are of weights with SHA-256 {as_code(_weights(request.out, name))}."
    if request.pairs is not None:
        licence_class = request.licensing.licence_class
        yield f"This release holds the {len(request.pairs)} pairs whose sounds are all of the class `{licence_class}`."
        yield "Cut the build in the same way: `rmod release OUT --to DIR --licence-class CLASS`."


def _weights(out: Location, name: str) -> str:
    return str(read_family(out, name).codec.get("sha256", "unknown"))
