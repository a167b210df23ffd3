"""The front door: what the `rmod` command does, as Python functions with typed records.

    import rmod_pipeline as rmod

    data = rmod.build("quick", library="builtin", out="demo", pairs={"train": 24})
    for pair in data.pairs("train"):
        pair.mix, pair.one_shots["kick"], pair.spec, pair.levels

Every function raises a subclass of ``rmod_pipeline.errors.RmodError`` for a mistake that the caller can mend; its
message says what is wrong, where, and what to do, with the names of parameters. ``progress=False`` silences progress.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ParamSpec, TypeVar

from rmod_pipeline.codec import CodecChoice
from rmod_pipeline.errors import BuildError, RmodError
from rmod_pipeline.inspection.full_check import Verification
from rmod_pipeline.inspection.status import BuildStatus, read_status
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.scanning.scan import Scan
from rmod_pipeline.pipeline.executors.config import ComputeConfig
from rmod_pipeline.pipeline.run import BuildSummary
from rmod_pipeline.reading.data_set import DataPair, DataSet
from rmod_pipeline.recipe import Recipe, resolve_recipe
from rmod_pipeline.storage import Location, parse_location

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rmod_pipeline.evaluation.evaluate import Evaluation
    from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
    from rmod_pipeline.pipeline.encoding import TokenSettings
    from rmod_pipeline.training.dose.train import TrainingReport

__all__ = [
    "BuildResult",
    "CodecChoice",
    "ComputeConfig",
    "DataPair",
    "DataSet",
    "IncompleteBuildError",
    "RmodError",
    "ScanResult",
    "Verification",
    "build",
    "encode",
    "evaluate",
    "extract",
    "open_dataset",
    "open_library",
    "preview",
    "render",
    "scan",
    "status",
    "train",
    "verify",
]

RecipeLike = str | Path | Mapping[str, Any] | Recipe
"""The name of a recipe that comes with rmod, the path of a YAML file, a mapping of its keys, or a loaded recipe."""

LibraryLike = str | Path | Location | Library
"""``builtin``, a manifest, a folder of sounds, or an open library."""

CodecLike = str | Path | CodecChoice
"""The name of a codec, the path of its weights, or a ``CodecChoice`` with device, precision and batch."""

Parameters = ParamSpec("Parameters")
Result = TypeVar("Result")


def _speaks_python(function: Callable[Parameters, Result]) -> Callable[Parameters, Result]:
    """Have the errors of a function name parameters instead of flags."""

    @wraps(function)
    def call(*args: Parameters.args, **kwargs: Parameters.kwargs) -> Result:
        try:
            return function(*args, **kwargs)
        except RmodError as error:
            error.speak_python()
            raise

    return call


@dataclass(frozen=True, slots=True, kw_only=True)
class ScanResult:
    """The result of a scan."""

    manifest: Path
    """The CSV file, one row per usable file."""
    report: Path
    """A CSV file with every warning, every dropped file and every group of copies."""
    scan: Scan
    """Assets, dropped files with reasons, copies, warnings."""

    @property
    def library(self) -> Library:
        """The library of the manifest, ready for ``build``."""
        return open_library(self.manifest)


class BuildResult(DataSet):
    """The data set that a run worked on, with what the run did."""

    def __init__(
        self,
        out: Location,
        summary: BuildSummary,
        *,
        shards: int | None = None,
        unlike_fp32: tuple[float, int] | None = None,
    ) -> None:
        super().__init__(out)
        self.summary = summary
        """Pairs, rejects, bytes, failures and wait times."""
        self.shards = shards
        """The number of shards that the run was limited to; None for all."""
        self.unlike_fp32 = unlike_fp32
        """With a precision below fp32: the share of tokens, 0..1, that differ from fp32's, and of how many mixtures."""


class IncompleteBuildError(BuildError):
    """Some shards failed. The others are finished, and the same call builds what is missing."""

    def __init__(self, result: BuildResult) -> None:
        failures = result.summary.failures
        causes = "\n".join(f"  {failure.shard}: {failure.cause}" for failure in failures[:5])
        more = f"\n  and {len(failures) - 5} more" if len(failures) > 5 else ""
        hint = "mend the cause, then build again: only what is missing is made"
        super().__init__(result.out, f"{len(failures)} shard(s) failed:\n{causes}{more}", hint)
        self.result = result


@_speaks_python
def scan(
    folder: str | Path,
    *,
    out: str | Path,
    labels: str | Path | None = None,
    licence: str = "",
    shares: str = "90/5/5",
    previous: str | Path | None = None,
    max_one_shot: float = 10.0,
    max_loop: float = 600.0,
    workers: int = 0,
    fresh: bool = False,
    progress: bool = True,
) -> ScanResult:
    """Read a folder of sounds and write a manifest and a report.

    labels: a CSV with what names cannot tell. licence: SPDX, for files that nothing else gives one. shares: per cent
    of train/valid/test. previous: an earlier manifest whose sounds keep their split. max_one_shot, max_loop: seconds.
    workers: processes, 0 for one per core. fresh: read unchanged files again. Raises UsageError, ManifestError and
    LibraryError.
    """
    from rmod_pipeline.library.scanning.report import report_path
    from rmod_pipeline.library.scanning.to_manifest import scan_to_manifest
    from rmod_pipeline.progress import scan_progress

    manifest = Path(out).expanduser()
    with scan_progress(progress) as on_progress:
        found = scan_to_manifest(
            Path(folder).expanduser(),
            manifest,
            labels=None if labels is None else Path(labels).expanduser(),
            licence=licence,
            shares=shares,
            previous=None if previous is None else Path(previous).expanduser(),
            max_one_shot_seconds=max_one_shot,
            max_loop_seconds=max_loop,
            workers=workers,
            fresh=fresh,
            progress=on_progress,
        )
    return ScanResult(manifest=manifest, report=report_path(manifest), scan=found)


@_speaks_python
def open_library(library: LibraryLike, *, progress: bool = True) -> Library:
    """Open a library by name, manifest or folder. Makes the built-in kit if it is missing; scans a folder."""
    from rmod_pipeline.library.scanning.resolve import resolve_library
    from rmod_pipeline.progress import kit_progress, scan_progress

    with kit_progress(progress) as on_sound, scan_progress(progress) as on_scan:
        return resolve_library(library, on_sound=on_sound, progress=on_scan)


@_speaks_python
def build(
    recipe: RecipeLike,
    *,
    library: LibraryLike,
    out: str | Location,
    pairs: str | Mapping[str, int] = "train=100,valid=10,test=10",
    seed: int = 0,
    shard_size: int = 100,
    audio_format: str = "wav",
    stems: bool = False,
    audio: bool = True,
    engine: str = "pedalboard",
    codec: CodecLike | None = None,
    compute: ComputeConfig | None = None,
    shards: str | None = None,
    retry_failed: bool = False,
    check_space: bool = True,
    cache_gb: float = 4.0,
    progress: bool = True,
) -> BuildResult:
    """Build a data set, or what is missing of it. The same arguments give the same bytes.

    pairs: number of pairs per split. shard_size: pairs per tar. stems: store every track too. audio: keep the audio;
    without it, ``codec`` is required. codec: make its tokens too. compute: workers, cluster. shards: a range such as
    ``0:100``, for machines that share the work without Ray. retry_failed: only shards whose last try failed. cache_gb:
    disk for pitch-shifted loops. Raises IncompleteBuildError if a shard failed, other RmodErrors before the work.
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.inspection.status import failed_shards
    from rmod_pipeline.pipeline.event_log import read_events
    from rmod_pipeline.pipeline.jobs.configure import add_tokens, codec_choice, configure_build, select_shards
    from rmod_pipeline.pipeline.run import run_build
    from rmod_pipeline.progress import build_progress

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
    )
    if codec is not None:
        job = add_tokens(job, codec_choice(codec), is_remote=executor.is_remote)
    elif not audio:
        raise UsageError("--no-audio", "nothing would be kept", "name a codec too, such as mini")
    failed = [each.shard for each in failed_shards(read_events(job.layout.log))] if retry_failed else []
    selected = select_shards(job, shards, retry_failed, failed)
    with build_progress(progress) as on_progress:
        summary = run_build(job, executor, on_progress, check_space, selected)
    count = None if selected is None else len(selected)
    return _finish(parse_location(out), summary, job.encoding, count, executor.is_remote)


@_speaks_python
def encode(
    data: str | Location | DataSet,
    *,
    codec: CodecLike = "mini",
    compute: ComputeConfig | None = None,
    progress: bool = True,
) -> BuildResult:
    """Add a codec's tokens to a finished data set, or what is missing of them.

    The bytes are those that ``build(codec=...)`` makes. Raises IncompleteBuildError if a shard failed.
    """
    from rmod_pipeline.pipeline.jobs.configure import codec_choice, configure_encoding
    from rmod_pipeline.pipeline.run import run_encode
    from rmod_pipeline.progress import build_progress

    out, executor = _location_of(data), (compute or ComputeConfig()).open()
    job = configure_encoding(out, codec_choice(codec), is_remote=executor.is_remote)
    with build_progress(progress) as on_progress:
        summary = run_encode(job, executor, on_progress)
    return _finish(out, summary, job.encoding, None, executor.is_remote)


@_speaks_python
def open_dataset(out: str | Location) -> DataSet:
    """Open a data set. Raises ShardError if there is none."""
    return DataSet(out)


@_speaks_python
def status(data: str | Location | DataSet) -> BuildStatus:
    """Return how far a build is, on any machine that sees its folder. Raises ShardError if there is none."""
    return read_status(_location_of(data))


@_speaks_python
def verify(
    data: str | Location | DataSet,
    *,
    rerender: int = 0,
    compare: int = 200,
    library: str | Path | None = None,
    progress: bool = True,
) -> Verification:
    """Check a data set: checksums, tars, index, splits, leakage.

    rerender: number of pairs to compose and render again. compare: pairs per split whose one-shots are compared across
    splits by sound. library: the manifest for ``rerender``; by default where it lay at the build. ``.ok`` of the result
    says whether nothing was found.
    """
    from rmod_pipeline.inspection.full_check import verify_data_set
    from rmod_pipeline.progress import count_progress

    return verify_data_set(
        _location_of(data),
        rerender=rerender,
        compare=compare,
        library=None if library is None else str(library),
        progress=lambda step: count_progress(step, progress),
    )


@_speaks_python
def preview(
    source: RecipeLike | Location | DataSet,
    *,
    pairs: int = 12,
    split: str = "train",
    page: str | Path | None = None,
    library: LibraryLike | None = None,
    codec: str | None = None,
    seed: int = 0,
    progress: bool = True,
) -> Path:
    """Write a page to hear and see some pairs of a data set, or the first pairs of a recipe. Return its path.

    library, seed: for a recipe. codec: for a data set, whose tokens to decode; by default all whose weights are known.
    """
    from rmod_pipeline.errors import UsageError
    from rmod_pipeline.pages.preview import write_preview
    from rmod_pipeline.pages.preview.content import check_recipe_name, data_set_content, recipe_content
    from rmod_pipeline.progress import advance_progress

    location = _existing_folder(source)
    if location is not None:
        if library is not None:
            found = f"{location} is a data set, whose sounds are chosen already"
            raise UsageError("--library", found, "leave it out, or name a recipe in place of the data set")
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
                on_pair=lambda: advance(1),
            )
    target = content.page if page is None else Path(page).expanduser()
    try:
        write_preview(content.pairs, target, content.title, note=content.note, further=content.decoded)
    except OSError as error:
        hint = "choose a file in a folder that you can write to"
        raise UsageError(target, f"cannot be written: {error.strerror}", hint) from error
    return target


@_speaks_python
def render(
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

    spec = pair.spec if isinstance(pair, DataPair) else read_spec(Path(pair).expanduser())
    return write_rendered(spec, open_library(library, progress=progress), parse_location(out), engine)


@_speaks_python
def train(
    recipe: str | Path,
    *,
    data: str | Location | DataSet,
    out: str | Path,
    instrument: str | None = None,
    codec: str | None = None,
    begin_from: str | Path | None = None,
    until: int | None = None,
    device: str = "auto",
    devices: int = 1,
    nodes: int = 1,
    workers: int = 2,
    wandb: str | None = None,
    on_report: Callable[[TrainingReport], None] | None = None,
    progress: bool = True,
) -> list[TrainingReport]:
    """Train the DOSE models of a recipe on a data set with tokens, or resume a training. Return a report per model.

    recipe: a name (tiny, laptop, small, paper) or a YAML file. out: the folder for checkpoints and logs. instrument:
    one of the recipe's. begin_from: a checkpoint whose weights to start with. until: stop after the validation at or
    after this step. devices: per node. workers: loader processes per device. Raises DoseError, ShardError, UsageError.
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.dose.recipe import load_dose_recipe
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.progress import training_progress

    loaded = load_dose_recipe(str(recipe))
    need_torch(DoseError, "train")
    try:
        from rmod_pipeline.training.dose.train import DeviceSettings, Training, train_dose
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[train]'"
        raise DoseError("training", f"needs {error.name}, which is not installed", hint) from error
    training = Training(
        recipe=loaded,
        data=_location_of(data),
        out=_local_path("--out", out),
        codec=codec,
        instrument=instrument,
        begin_from=None if begin_from is None else _local_path("--begin-from", begin_from),
        until=until,
        wandb=wandb,
        machine=DeviceSettings(device=device, devices=devices, nodes=nodes, workers=workers),
    )
    reports = []
    with training_progress(progress) as listener:
        for report in train_dose(training, listener):
            reports.append(report)
            if on_report:
                on_report(report)
    return reports


@_speaks_python
def extract(
    song: str | Path | NDArray[np.floating[Any]],
    *,
    checkpoint: str | Path,
    sample_rate: int | None = None,
    out: str | Path | None = None,
    instruments: Sequence[str] = (),
    codec: str | None = None,
    device: str = "auto",
    config: ExtractionConfig | None = None,
    progress: bool = True,
) -> Extraction:
    """Extract dry one-shots from a song.

    song: a file, or an array [samples] or [channels, samples] with its ``sample_rate`` in Hz. checkpoint: a file such
    as kick.pth, or a folder of them. out: a folder for WAV files, ``extraction.json`` and a listening page; None writes
    nothing. instruments: by default all that the checkpoints extract. ``result["kick"].best.audio`` is the best
    one-shot, [samples] float32 at ``result.codec.sample_rate``. Raises DoseError, CodecError, UsageError.
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.extraction.output import check_extraction_folder, check_sounds, write_extraction
    from rmod_pipeline.extraction.results import ExtractionConfig
    from rmod_pipeline.extraction.song import open_song
    from rmod_pipeline.pages.extraction import check_page, write_page
    from rmod_pipeline.progress import extraction_progress

    settings = config or ExtractionConfig()
    folder = None if out is None else Path(out).expanduser()
    if folder is not None:
        check_extraction_folder(folder)
        check_page(folder)
    opened_song = open_song(song, sample_rate)
    need_torch(DoseError, "train")
    from rmod_pipeline.extraction.extract import extract_song
    from rmod_pipeline.extraction.extractor import open_extractors

    extractors, opened_codec = open_extractors(Path(checkpoint).expanduser(), instruments, codec, device)
    if folder is not None:
        check_sounds(folder, [each.instrument for each in extractors], settings)
    with extraction_progress(progress) as on_step:
        extraction = extract_song(opened_song, extractors, opened_codec, settings, on_step=on_step)
    if folder is not None:
        write_extraction(extraction, folder)
        write_page(extraction, folder)
    return extraction


@_speaks_python
def evaluate(
    checkpoint: str | Path,
    *,
    data: str | Location | DataSet,
    split: str = "test",
    pairs: int | None = None,
    codec: str | None = None,
    tries: int = 8,
    device: str = "auto",
    threads: int = 1,
    progress: bool = True,
) -> Evaluation:
    """Compare a model's one-shots with the true ones, beside simpler systems.

    data: a data set with audio and with tokens of the model's codec. pairs: only the first ones. tries: sampled
    candidates per mixture, beside the greedy one. Raises DoseError, ShardError, CodecError.
    """
    from rmod_pipeline.codec.torch_support import need_torch
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.progress import advance_progress

    need_torch(DoseError, "train")
    from rmod_pipeline.evaluation.evaluate import evaluate_checkpoint

    with advance_progress("pairs", progress) as on_pairs:
        return evaluate_checkpoint(
            Path(checkpoint).expanduser(), _location_of(data), split=split, pairs=pairs, codec=codec, tries=tries,
            device=device, threads=threads, on_pairs=on_pairs,
        )  # fmt: skip


def _finish(
    out: Location, summary: BuildSummary, encoding: TokenSettings | None, shards: int | None, is_remote: bool
) -> BuildResult:
    """Return the result of a run. Raises IncompleteBuildError if a shard failed."""
    from rmod_pipeline.inspection.precision import share_unlike_fp32

    lower = encoding is not None and encoding.choice.precision != "fp32" and not is_remote and not summary.failures
    unlike = share_unlike_fp32(out, encoding) if lower and encoding else None
    result = BuildResult(out, summary, shards=shards, unlike_fp32=unlike)
    if summary.failures:
        raise IncompleteBuildError(result)
    return result


def _location_of(data: str | Location | DataSet) -> Location:
    if isinstance(data, DataSet):
        return data.out
    location = parse_location(data)
    return location.expanduser() if isinstance(location, Path) else location


def _existing_folder(source: RecipeLike | Location | DataSet) -> Location | None:
    """Return the folder that a source names; None if it is not a folder."""
    if isinstance(source, Mapping | Recipe):
        return None
    location = _location_of(source)
    return location if location.is_dir() else None


def _local_path(option: str, path: str | Path) -> Path:
    """Return a path of this machine. Raises UsageError for the address of an object store."""
    from rmod_pipeline.errors import UsageError

    location = parse_location(path)
    if not isinstance(location, Path):
        raise UsageError(option, f"{location} is on an object store; models are kept on disks", "give a local path")
    return location.expanduser()
