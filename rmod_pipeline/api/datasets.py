"""Data sets: build, import, encode, compute features, open, verify, preview, render."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rmod_pipeline.api.arguments import (
    CodecLike,
    DataLike,
    GroovesLike,
    LibraryLike,
    RecipeLike,
    location_of,
    speaks_python,
)
from rmod_pipeline.api.grooves import open_grooves
from rmod_pipeline.api.libraries import open_library
from rmod_pipeline.api.results import BuildResult, ImportResult, IncompleteBuildError
from rmod_pipeline.inspection.full_check import Verification
from rmod_pipeline.inspection.status import BuildStatus, read_status
from rmod_pipeline.pipeline.executors.config import ComputeConfig
from rmod_pipeline.pipeline.run import BuildSummary
from rmod_pipeline.reading.data_set import DataPair, DataSet
from rmod_pipeline.recipe import Recipe, recipe_names, resolve_recipe
from rmod_pipeline.storage import Location, parse_local_path, parse_location
from rmod_pipeline.storage.writing import check_writable_file

if TYPE_CHECKING:
    from rmod_pipeline.pipeline.encoding import TokenSettings

logger = logging.getLogger(__name__)


@speaks_python
def build(
    recipe: RecipeLike,
    *,
    library: LibraryLike,
    out: str | Location,
    grooves: GroovesLike | None = None,
    pairs: str | Mapping[str, int] = "train=100,valid=10,test=10",
    seed: int = 0,
    shard_size: int = 100,
    audio_format: str = "wav",
    stems: bool = False,
    audio: bool = True,
    engine: str = "fused",
    licences: str = "any",
    codec: CodecLike | None = None,
    features: bool = False,
    compute: ComputeConfig | None = None,
    shards: str | None = None,
    retry_failed: bool = False,
    check_space: bool = True,
    cache_gb: float = 4.0,
    progress: bool = True,
) -> BuildResult:
    """Build a data set, or what is missing of it. The same arguments give the same bytes.

    grooves: the manifest of the performances, for a recipe that plays grooves; by default that which the recipe names.
    pairs: number of pairs per split. shard_size: pairs per tar. stems: store every track too. audio: keep the audio;
    without it, ``codec`` or ``features`` is required. licences: ``permissive``, ``attribution`` or ``share-alike``
    leaves out sounds whose licences ask more. codec: make its tokens too. features: make log-mel spectrograms of the
    sounds too. compute: workers, cluster. shards: a range such as ``0:100``,
    for machines that share the work without Ray. retry_failed: only shards whose last try failed. cache_gb: disk for
    pitch-shifted loops. Raises IncompleteBuildError if a shard failed, other RmodErrors before the work.
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.inspection.status import list_failed_shards
    from rmod_pipeline.pipeline.configure import add_features, add_tokens, codec_choice, configure_build, select_shards
    from rmod_pipeline.pipeline.event_log import read_events
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.progress import build_progress
    from rmod_pipeline.shards.token_family import suggest_codec

    executor = (compute or ComputeConfig()).open()
    job = configure_build(
        resolve_recipe(recipe),
        open_library(library, progress=progress),
        parse_location(out),
        pairs=pairs,
        seed=seed,
        shard_size=shard_size,
        audio_format=audio_format,
        stems=stems,
        audio=audio,
        engine=engine,
        cache_gb=cache_gb,
        licences=licences,
        grooves=None if grooves is None else open_grooves(grooves),
    )
    if codec is not None:
        job = add_tokens(job, codec_choice(codec), is_remote=executor.is_remote)
    elif not (audio or features):
        name, explanation = suggest_codec(job.recipe.sample_rate)
        raise UsageError("--no-audio", "nothing would be kept", f"name a codec too: --codec {name}{explanation}")
    if features:
        job = add_features(job)
    failed = [each.shard for each in list_failed_shards(read_events(job.layout.log))] if retry_failed else []
    selected = select_shards(job, shards, retry_failed, failed)
    with build_progress(progress) as on_progress:
        summary = run_build(job, executor, on_progress, check_space, selected)
    count = None if selected is None else len(selected)
    return _finish(parse_location(out), summary, job.encoding, executor.is_remote, shards=count)


@speaks_python
def import_pairs(
    folder: str | Path,
    *,
    out: str | Location,
    split: str = "test",
    kinds: Sequence[str] | None = None,
    licence: str = "",
    table: str | Path | None = None,
    sample_rate: int = 44_100,
    seconds: float = 4.0,
    audio_format: str = "wav",
    shard_size: int = 100,
    compute: ComputeConfig | None = None,
    progress: bool = True,
) -> ImportResult:
    """Import anyone's folder of pairs as a data set, or what is missing of it. The same files give the same bytes.

    folder: ``KEY.mix.wav KEY.kick.wav``, ``mix/KEY.wav kick/KEY.wav`` and the like; a folder train, valid or test
    below it is a split, and the other pairs are of ``split``. kinds: what every pair must have; by default the kinds
    beside at least half of the mixtures. licence: of all files. table: a CSV file with licence, kit, group, source and
    split by key. Sounds of another rate are resampled; mixtures of another length are cut or padded to ``seconds``. A
    file that cannot be used leaves out its pair: see ``left_out`` and ``pair_list`` of the result. Raises UsageError,
    ManifestError; IncompleteBuildError if a shard failed.
    """
    from rmod_pipeline.pipeline.import_folder import ImportOptions, configure_import, write_pair_list
    from rmod_pipeline.pipeline.run import run_import
    from rmod_pipeline.progress import build_progress, count_progress

    location, executor = parse_location(out), (compute or ComputeConfig()).open()
    options = ImportOptions(
        split=split,
        kinds=kinds,
        licence=licence,
        table=None if table is None else parse_local_path(table, "--table"),
        sample_rate=sample_rate,
        seconds=seconds,
        audio_format=audio_format,
        shard_size=shard_size,
    )
    with count_progress("files", progress) as on_file:
        job = configure_import(parse_local_path(folder), location, options, on_file)
    with build_progress(progress) as on_progress:
        summary = run_import(job, executor, on_progress)
    result = ImportResult(location, summary, write_pair_list(job))
    if summary.failures:
        raise IncompleteBuildError(result)
    return result


@speaks_python
def encode(
    data: DataLike,
    *,
    codec: CodecLike = "mini",
    compute: ComputeConfig | None = None,
    progress: bool = True,
) -> BuildResult:
    """Add a codec's tokens to a finished data set, or what is missing of them.

    The bytes are those that ``build(codec=...)`` makes. Raises IncompleteBuildError if a shard failed.
    """
    from rmod_pipeline.pipeline.configure import codec_choice, configure_encoding
    from rmod_pipeline.pipeline.run import run_on_audio
    from rmod_pipeline.progress import build_progress

    out, executor = location_of(data), (compute or ComputeConfig()).open()
    job = configure_encoding(out, codec_choice(codec), is_remote=executor.is_remote)
    with build_progress(progress) as on_progress:
        summary = run_on_audio(job, executor, on_progress)
    return _finish(out, summary, job.encoding, executor.is_remote, folder=job.family.folder)


@speaks_python
def compute_features(data: DataLike, *, compute: ComputeConfig | None = None, progress: bool = True) -> BuildResult:
    """Add log-mel spectrograms to a finished data set, or what is missing of them.

    The bytes are those that ``build(features=True)`` makes. Raises IncompleteBuildError if a shard failed.
    """
    from rmod_pipeline.pipeline.configure import configure_features
    from rmod_pipeline.pipeline.run import run_on_audio
    from rmod_pipeline.progress import build_progress

    out, executor = location_of(data), (compute or ComputeConfig()).open()
    job = configure_features(out)
    with build_progress(progress) as on_progress:
        summary = run_on_audio(job, executor, on_progress)
    return _finish(out, summary, None, executor.is_remote, folder=job.family.folder)


@speaks_python
def decode(
    data: DataLike, key: str, *, out: str | Location, codec: str | None = None, device: str = "auto"
) -> list[Location]:
    """Turn a pair's tokens back into WAV files, cut to their true length, and return their paths.

    codec: the tokens' codec, or the path of its weights; by default the only one. Raises ShardError, CodecError.
    """
    from rmod_pipeline.reading.decoding import write_decoded

    return write_decoded(location_of(data), key, parse_location(out), codec, device)


@speaks_python
def open_dataset(out: str | Location) -> DataSet:
    """Open a data set. Raises ShardError if there is none."""
    return DataSet(out)


@speaks_python
def status(data: DataLike) -> BuildStatus:
    """Return how far a build is, on any machine that sees its folder. Raises ShardError if there is none."""
    return read_status(location_of(data))


@speaks_python
def verify(
    data: DataLike,
    *,
    rerender: int = 0,
    compare: int = 200,
    library: str | Path | None = None,
    grooves: str | Path | None = None,
    progress: bool = True,
) -> Verification:
    """Check a data set: checksums, tars, index, splits, leakage.

    rerender: number of pairs to compose and render again. compare: pairs per split whose one-shots are compared across
    splits by sound. library, grooves: the manifests for ``rerender``; by default where they lay at the build.
    ``.ok`` of the result says whether nothing was found.
    """
    from rmod_pipeline.inspection.full_check import verify_data_set
    from rmod_pipeline.progress import count_progress

    return verify_data_set(
        location_of(data),
        rerender=rerender,
        compare=compare,
        library=None if library is None else str(library),
        grooves=None if grooves is None else str(grooves),
        progress=lambda step: count_progress(step, progress),
    )


@speaks_python
def preview(
    source: RecipeLike | Location | DataSet,
    *,
    pairs: int = 12,
    split: str = "train",
    page: str | Path | None = None,
    library: LibraryLike | None = None,
    grooves: GroovesLike | None = None,
    codec: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write a page to hear and see some pairs of a data set, or the first pairs of a recipe. Return its path.

    library, grooves, seed: for a recipe. codec: for a data set, whose tokens to decode; by default all whose weights
    are known.
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.pages.preview import write_preview
    from rmod_pipeline.pages.preview.content import check_recipe_name, data_set_content, recipe_content
    from rmod_pipeline.progress import advance_progress

    target = None if page is None else parse_local_path(page)
    if target is not None:
        check_writable_file(target, "choose a file in a folder that you can write to")
    location = _existing_folder(source)
    if location is not None:
        if library is not None:
            found = f"{location} is a data set, whose sounds are chosen already"
            raise UsageError("--library", found, "leave it out, or name a recipe in place of the data set")
        if grooves is not None:
            found = f"{location} is a data set, whose grooves are chosen already"
            raise UsageError("--grooves", found, "leave it out, or name a recipe in place of the data set")
        content = data_set_content(location, split, pairs, codec)
    else:
        name = check_recipe_name(str(source)) if isinstance(source, str | Path) else source
        sounds = open_library(library or "builtin", progress=progress)
        with advance_progress("pairs", progress) as advance:
            content = recipe_content(
                resolve_recipe(name),  # type: ignore[arg-type]
                sounds,
                split,
                pairs,
                seed=seed,
                grooves=None if grooves is None else open_grooves(grooves),
                on_pair=lambda: advance(1),
            )
    target = target or content.page
    write_preview(content.pairs, target, content.title, note=content.note, extra_sounds=content.decoded)
    return target


@speaks_python
def rerender(
    pair: str | Path | DataPair,
    *,
    library: LibraryLike,
    out: str | Location,
    engine: str | None = None,
    progress: bool = True,
) -> list[Location]:
    """Render one pair again from its JSON or spec: mixture, one-shots, stems, MIDI. Return the files.

    engine: another engine than the pair's own. Raises SpecError, LibraryError, AssetError.
    """
    from rmod_pipeline.inspection.single_pair import read_spec, write_rendered

    if isinstance(pair, DataPair):
        spec, about = pair.spec, pair.key
    else:
        path = parse_local_path(pair)
        spec, about = read_spec(path), str(path)
    sounds = open_library(library, progress=progress)
    return write_rendered(spec, sounds, parse_location(out), engine, about=about)


def _finish(
    out: Location,
    summary: BuildSummary,
    encoding: TokenSettings | None,
    is_remote: bool,
    *,
    shards: int | None = None,
    folder: str | None = None,
) -> BuildResult:
    """Return the result of a run. Raises IncompleteBuildError if a shard failed."""
    from rmod_pipeline.inspection.precision import compare_precision_with_fp32

    lower = encoding is not None and encoding.choice.precision != "fp32" and not is_remote and not summary.failures
    unlike = compare_precision_with_fp32(out, encoding) if lower and encoding else None
    precision = encoding.choice.precision if encoding else None
    result = BuildResult(out, summary, folder=folder, shards=shards, unlike_fp32=unlike, precision=precision)
    if summary.failures:
        raise IncompleteBuildError(result)
    return result


def _existing_folder(source: RecipeLike | Location | DataSet) -> Location | None:
    """Return the folder that a source names; None for a recipe, by its name or otherwise."""
    if isinstance(source, Mapping | Recipe):
        return None
    location = location_of(source)
    if isinstance(source, str) and source in recipe_names():
        if location.is_dir():
            logger.warning("%s is the recipe of that name; write ./%s for the folder", source, source)
        return None
    return location if location.is_dir() else None
