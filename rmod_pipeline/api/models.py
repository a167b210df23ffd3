"""Models: train DOSE, extract one-shots from songs, evaluate."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rmod_pipeline.api.arguments import DataLike, location_of, speaks_python
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from rmod_pipeline.dose.checkpoint import DoseCheckpoint
    from rmod_pipeline.evaluation.evaluate import Evaluation
    from rmod_pipeline.extraction.results import Extraction, ExtractionConfig
    from rmod_pipeline.training.dose.train import TrainingReport


@speaks_python
def train(
    recipe: str | Path,
    *,
    data: DataLike,
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
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.dose.recipe import load_dose_recipe
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.progress import training_progress

    loaded = load_dose_recipe(str(recipe))
    require_torch(DoseError, "train")
    try:
        from rmod_pipeline.training.dose.train import TrainingConfig, train_dose
        from rmod_pipeline.training.dose.trainer import DeviceSettings
    except ModuleNotFoundError as error:
        hint = "pip install 'rmod-pipeline[train]'"
        raise DoseError("training", f"needs {error.name}, which is not installed", hint) from error
    training = TrainingConfig(
        recipe=loaded,
        data=location_of(data),
        out=parse_local_path(out, "--out"),
        codec=codec,
        instrument=instrument,
        begin_from=None if begin_from is None else parse_local_path(begin_from, "--begin-from"),
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


@speaks_python
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
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.extraction.listening.song import open_song
    from rmod_pipeline.extraction.output import check_extraction_folder, check_sounds, write_extraction
    from rmod_pipeline.extraction.results import ExtractionConfig
    from rmod_pipeline.pages.extraction import check_page, write_page
    from rmod_pipeline.progress import extraction_progress

    settings = config or ExtractionConfig()
    folder = None if out is None else parse_local_path(out)
    if folder is not None:
        check_extraction_folder(folder)
        check_page(folder)
    opened_song = open_song(song, sample_rate)
    require_torch(DoseError, "train")
    from rmod_pipeline.extraction.extract import extract_song
    from rmod_pipeline.extraction.extractor import open_extractors

    extractors, opened_codec = open_extractors(parse_local_path(checkpoint), instruments, codec, device)
    if folder is not None:
        check_sounds(folder, [each.instrument for each in extractors], settings)
    with extraction_progress(progress) as on_step:
        extraction = extract_song(opened_song, extractors, opened_codec, settings, on_step=on_step)
    if folder is not None:
        write_extraction(extraction, folder)
        write_page(extraction, folder)
    return extraction


@speaks_python
def evaluate(
    checkpoint: str | Path,
    *,
    data: DataLike,
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
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.errors import DoseError
    from rmod_pipeline.progress import advance_progress

    require_torch(DoseError, "train")
    from rmod_pipeline.evaluation.evaluate import evaluate_checkpoint

    with advance_progress("pairs", progress) as on_pairs:
        return evaluate_checkpoint(
            parse_local_path(checkpoint), location_of(data), split=split, pairs=pairs, codec=codec, tries=tries,
            device=device, threads=threads, on_pairs=on_pairs,
        )  # fmt: skip


@speaks_python
def import_checkpoint(
    checkpoint: str | Path, *, out: str | Path, instrument: str | None = None, heads: int = 16
) -> tuple[Path, DoseCheckpoint]:
    """Convert a checkpoint that the DOSE authors published. Return the new file and its contents.

    instrument: what it extracts, if its name does not say. heads: attention heads, which the weights do not show.
    Nothing in the file is executed. Raises DoseError.
    """
    from rmod_pipeline.codec.torch_support import require_torch
    from rmod_pipeline.errors import DoseError

    require_torch(DoseError, "train")
    from rmod_pipeline.dose.checkpoint import write_new_checkpoint
    from rmod_pipeline.dose.reference import import_reference

    imported = import_reference(parse_local_path(checkpoint), instrument, heads)
    return write_new_checkpoint(imported, parse_local_path(out)), imported
