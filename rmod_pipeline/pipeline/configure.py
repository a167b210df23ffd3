"""Turn the options of a build, an encoding or a run that makes features into a checked job."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.codec.catalogue import is_weights_path
from rmod_pipeline.compose import open_recipe_grooves
from rmod_pipeline.effects import FUSED, check_engine
from rmod_pipeline.errors import UsageError, check_seed, nearest
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.licences import LicenceClass, parse_licence_class, select_by_class
from rmod_pipeline.patterns.manifest import Grooves, select_grooves_by_class
from rmod_pipeline.pipeline.encoding import TokenSettings
from rmod_pipeline.pipeline.executors.config import check_at_least
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.pipeline.jobs.encode import EncodeJob
from rmod_pipeline.pipeline.jobs.features import FeatureJob
from rmod_pipeline.pipeline.plan import check_shard_size, choose_shards, parse_counts
from rmod_pipeline.recipe import Recipe
from rmod_pipeline.render.prepared import prepared_folder
from rmod_pipeline.shards.fingerprint import fingerprint_digest, read_fingerprint
from rmod_pipeline.shards.layout import Layout, ShardPlan, plan_shards
from rmod_pipeline.shards.members import FORMATS
from rmod_pipeline.shards.token_family import TokenFamily
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.storage import Location, is_address, parse_local_path


def configure_build(
    recipe: Recipe,
    library: Library,
    out: Location,
    *,
    pairs: str | Mapping[str, int],
    seed: int = 0,
    shard_size: int | None = None,
    audio_format: str = "wav",
    stems: bool = False,
    audio: bool = True,
    engine: str = FUSED,
    cache_gb: float = 4.0,
    licences: str = LicenceClass.ANY,
    grooves: Grooves | None = None,
) -> BuildJob:
    """Return a checked build without tokens. Raises UsageError for an invalid option.

    ``pairs``: the number of pairs per split, as a mapping or as ``train=300,valid=30``. ``shard_size``: the number of
    pairs per shard; by default all pairs of a split. ``licences``: the class of licences to limit the library to; see
    ``rmod_pipeline.library.licences``. ``grooves``: the performances that the recipe plays; by default those that it
    names. Raises LibraryError if no sound or performance is left.
    """
    counts = parse_counts(pairs)
    if audio_format not in FORMATS:
        found = f"unknown '{audio_format}'{nearest(audio_format, FORMATS)}"
        raise UsageError("--format", found, f"choose {' or '.join(FORMATS)}")
    check_engine(engine)
    licence_class = parse_licence_class(licences)
    if out.exists() and not out.is_dir():
        raise UsageError("--out", f"{out} is a file", "give a folder")
    if grooves is not None and recipe.grooves is None:
        found = f"the recipe {recipe.name} plays random hits"
        raise UsageError(
            "--grooves", found, "leave it out, or choose a recipe that plays grooves, such as rmod_grooves"
        )
    opened = open_recipe_grooves(recipe, grooves)
    return BuildJob(
        recipe=recipe,
        library=select_by_class(library, licence_class),
        grooves=None if opened is None else select_grooves_by_class(opened, licence_class),
        licences=licence_class,
        seed=check_seed(seed),
        counts=counts,
        shard_size=check_shard_size(counts, max(counts.values()) if shard_size is None else shard_size),
        engine=engine,
        audio_format=audio_format,
        stems=stems,
        audio=audio,
        out=out.resolve(),
        # Without RMOD_CACHE each machine of a cluster has a cache of its own.
        cache=prepared_folder() if os.environ.get("RMOD_CACHE") else None,
        cache_bytes=round(check_at_least("--cache-gb", cache_gb, 0) * 2**30),
    )


def configure_encoding(out: Location, codec: CodecChoice, *, is_remote: bool = False) -> EncodeJob:
    """Return the job that adds a codec's tokens to a finished data set. Raises ShardError, CodecError, UsageError."""
    fingerprint = read_fingerprint(Layout(out).build)
    recipe = Recipe.model_validate(fingerprint["recipe"])
    return EncodeJob(
        out=out.resolve(), encoding=token_settings(codec, recipe, fingerprint_digest(fingerprint), is_remote=is_remote)
    )


def add_tokens(job: BuildJob, codec: CodecChoice, *, is_remote: bool = False) -> BuildJob:
    """Return the build with the tokens of a codec. Raises CodecError, UsageError, BuildError."""
    return replace(job, encoding=token_settings(codec, job.recipe, job.digest, is_remote=is_remote))


def configure_features(out: Location) -> FeatureJob:
    """Return the job that adds features to a finished data set. Raises ShardError."""
    fingerprint = read_fingerprint(Layout(out).build)
    recipe = Recipe.model_validate(fingerprint["recipe"])
    return FeatureJob(out=out.resolve(), features=FeatureFamily.of(recipe, fingerprint_digest(fingerprint)))


def add_features(job: BuildJob) -> BuildJob:
    """Return the build with features."""
    return replace(job, features=FeatureFamily.of(job.recipe, job.digest))


def token_settings(codec: CodecChoice, recipe: Recipe, build_digest: str, *, is_remote: bool = False) -> TokenSettings:
    """Return the settings of a codec's tokens of a recipe's pairs, made on this machine or on others.

    Raises CodecError, UsageError and BuildError.
    """
    fingerprint = codec.fingerprint(is_remote)
    # Nothing is left open: workers may have other devices, whose defaults differ.
    fixed = replace(codec.resolve_on(fingerprint["device"]), device=codec.device, sha256=fingerprint["sha256"])
    return TokenSettings(choice=fixed, family=TokenFamily.of(recipe, fingerprint, build_digest))


def codec_choice(codec: str | Path | CodecChoice) -> CodecChoice:
    """Return the choice of a codec, given by its name, the path of its weights, or its settings."""
    choice = codec if isinstance(codec, CodecChoice) else CodecChoice(name=str(codec))
    if is_address(choice.name) or not is_weights_path(choice.name):
        return choice
    # Workers may run in another folder.
    return replace(choice, name=str(parse_local_path(choice.name).resolve()))


def select_shards(
    job: BuildJob, shards: str | None, retry_failed: bool, failed: Sequence[str]
) -> list[ShardPlan] | None:
    """Return the shards to build; None for all. ``shards`` is a range such as ``0:100``. Raises UsageError."""
    if shards is None and not retry_failed:
        return None
    plans = plan_shards(job.counts, job.shard_size)
    selected = plans if shards is None else choose_shards(plans, shards)
    return [plan for plan in selected if plan.name in failed] if retry_failed else selected
