"""Open the models and the codec for an extraction.

extractors, codec = open_extractors(Path("models"))       # a folder with kick.pth, ... or one file
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.codec import Codec, CodecChoice, CodecIdentity
from rmod_pipeline.codec.catalogue import KNOWN, find_known_name
from rmod_pipeline.codec.model_files import describe_origin
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, read_dose_checkpoint
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.errors import CodecError, DoseError, ForeignFileError, UsageError, nearest
from rmod_pipeline.storage.publish import file_digest

log = logging.getLogger(__name__)

CODEC_BATCH = 4
"""Windows that are encoded at once; fixed, because tokens may depend on it."""

HINT = "give a folder of checkpoints such as kick.pth, or one of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """A model and the instrument that it extracts."""

    instrument: str
    frames: int
    """Token frames of a one-shot."""
    model: Dose
    class_index: int | None
    """Class of the instrument in a model of several instruments; None in a model of one."""
    source: Mapping[str, Any]
    """Origin of the model: file, sha256, recipe, step."""
    tail_learned: bool = True
    """Whether the model has learned the silence after the end of a sound; with ``tail: masked`` it has not."""

    def window_samples(self, codec: CodecIdentity) -> int:
        """Return the length of the model's window in samples at the codec's rate: 345 frames are 4 s."""
        return self.model.size.condition_frames * codec.hop


def open_extractors(
    path: Path, instruments: Sequence[str] = (), codec: str | None = None, device: str = "auto"
) -> tuple[list[Extractor], Codec]:
    """Open a checkpoint, or all checkpoints of a folder, for all their instruments or for those given.

    ``codec`` is the name of the codec or the path of its weights; by default the codec that the checkpoints name.
    Raises DoseError, CodecError and UsageError.
    """
    chosen = _choose_checkpoints(read_checkpoints(path, instruments), path, instruments)
    opened = _open_codec(list(chosen.values()), codec, device)
    loaded: dict[str, Dose] = {}
    extractors = []
    for instrument, checkpoint in chosen.items():
        model = loaded.get(checkpoint.about)
        if model is None:
            model = loaded[checkpoint.about] = load_model_for_codec(checkpoint, opened)
        extractors.append(make_extractor(checkpoint, instrument, model, _describe_source(checkpoint)))
    return extractors, opened


def load_model_for_codec(checkpoint: DoseCheckpoint, codec: Codec) -> Dose:
    """Load a checkpoint's model on the codec's device. Raises DoseError if their tokens or frames differ."""
    size, identity = checkpoint.recipe.model, codec.identity
    for name in ("codebooks", "codebook_size"):
        own, expected = getattr(size, name), getattr(identity, name)
        if own != expected:
            found = f"a model with {name.replace('_', ' ')} {own}, but the codec {identity.name} has {expected}"
            raise DoseError(checkpoint.about, found, "give the codec of its training: --codec PATH")
    mel = checkpoint.hearing.mel if checkpoint.hearing is not None else None
    if mel is not None and (mel.sample_rate, mel.hop) != (identity.sample_rate, identity.hop):
        found = f"hears frames of {mel.hop} samples at {mel.sample_rate} Hz, but the codec {identity.name} has"
        found = f"{found} {identity.hop} at {identity.sample_rate} Hz"
        raise DoseError(checkpoint.about, found, "give the codec of its training: --codec PATH")
    return load_dose_model(checkpoint).to(codec.device)


def make_extractor(
    checkpoint: DoseCheckpoint, instrument: str, model: Dose, source: Mapping[str, Any] | None = None
) -> Extractor:
    """Return the extractor of an instrument. Raises DoseError for one that the model does not extract."""
    class_index = checkpoint.class_index(instrument)
    return Extractor(
        instrument=instrument,
        frames=checkpoint.recipe.frames(instrument),
        model=model,
        class_index=class_index if len(checkpoint.instruments) > 1 else None,
        tail_learned=checkpoint.recipe.loss.tail == "learned",
        source=source or {"file": Path(checkpoint.about).name, "recipe": checkpoint.recipe.name},
    )


def read_checkpoints(path: Path, instruments: Sequence[str] = ()) -> list[DoseCheckpoint]:
    """Return the checkpoints of a file or a folder in the order of their names.

    instruments: those that are asked for; of a folder, other files need not be read. Raises DoseError.
    """
    if path.is_file():
        return [read_dose_checkpoint(path)]
    if not path.is_dir():
        raise DoseError(path, "no such file or folder", HINT)
    files = sorted(path.glob("*.pth"))
    # kick.pth and kick-snare.pth are named after their instruments; for a kick no other file has to be read.
    named = [file for file in files if set(file.stem.split("-")) & set(instruments)]
    checkpoints = _read_dose_files(named)
    if not named or set(instruments) - {name for checkpoint in checkpoints for name in checkpoint.instruments}:
        # A file may have been renamed.
        checkpoints = _read_dose_files(files)
    if not checkpoints:
        raise DoseError(path, f"no DOSE checkpoint among {len(files)} .pth files", HINT)
    return checkpoints


def _read_dose_files(files: Sequence[Path]) -> list[DoseCheckpoint]:
    """Return the DOSE checkpoints among files; other files are skipped."""
    checkpoints = []
    for file in files:
        try:
            checkpoints.append(read_dose_checkpoint(file))
        except ForeignFileError as error:
            log.info("skipping %s: %s", error.about, error.found)
    return checkpoints


def _choose_checkpoints(
    checkpoints: Sequence[DoseCheckpoint], path: Path, instruments: Sequence[str]
) -> dict[str, DoseCheckpoint]:
    """Return the checkpoint of each instrument, in the order of ``instruments`` or else of the files."""
    by_instrument: dict[str, DoseCheckpoint] = {}
    for checkpoint in checkpoints:
        for instrument in checkpoint.instruments:
            if instrument in by_instrument and (not instruments or instrument in instruments):
                files = f"{Path(by_instrument[instrument].about).name} and {Path(checkpoint.about).name}"
                raise DoseError(path, f"{instrument} is extracted by both {files}", "give one of the two files")
            by_instrument[instrument] = checkpoint
    for instrument in instruments:
        if instrument not in by_instrument:
            known = " and ".join(by_instrument)
            found = f"extracts {known}, not {instrument}{nearest(instrument, by_instrument)}"
            raise DoseError(path, found, f"give a checkpoint for {instrument}")
    return {name: by_instrument[name] for name in dict.fromkeys(instruments or by_instrument)}


def _open_codec(checkpoints: Sequence[DoseCheckpoint], chosen: str | None, device: str) -> Codec:
    """Open the chosen codec, or else the one that all checkpoints name."""
    first_name = str(checkpoints[0].codec.get("name", ""))
    name = chosen or find_known_name(first_name)
    if name is None:
        hint = f"give the path of its weights: --codec PATH (rmod knows {', '.join(KNOWN)})"
        found = f"{checkpoints[0].about} uses tokens of {first_name or 'a codec that it does not name'}"
        raise UsageError("--codec", found, hint)
    codec = CodecChoice.for_few(name, device=device, batch=CODEC_BATCH).open()
    for checkpoint in checkpoints:
        try:
            checkpoint.require_codec(codec.identity)
        except CodecError as error:
            own = str(checkpoint.codec.get("name", ""))
            hint = f"give the codec {own} of its training: --codec PATH"
            if own != first_name:
                hint = f"its codec {own} differs from that of {checkpoints[0].about}: extract with one file at a time"
            raise CodecError(error.about, error.found, hint) from error
    return codec


def _describe_source(checkpoint: DoseCheckpoint) -> dict[str, Any]:
    path = Path(checkpoint.about)
    return describe_origin(path, file_digest(path), checkpoint.recipe.name, checkpoint.progress)
