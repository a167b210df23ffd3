"""Checkpoints -> what is needed to extract: a model for each instrument, and the codec whose tokens they speak.

extractors, codec = open_extractors(Path("models"))       # a folder of kick.pth, ... or one file
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rmod_pipeline.codec import Codec, CodecChoice
from rmod_pipeline.codec.catalogue import KNOWN, find_known_name
from rmod_pipeline.dose.checkpoint import DoseCheckpoint, load_dose_model, read_dose_checkpoint
from rmod_pipeline.dose.model import Dose
from rmod_pipeline.errors import CodecError, DoseError, ForeignFileError, UsageError, nearest
from rmod_pipeline.storage.publish import file_digest

log = logging.getLogger(__name__)

CODEC_BATCH = 4
"""Windows that are encoded at once: fixed, because tokens may depend on it."""

GIVE = "give a folder of checkpoints such as kick.pth, or one of them"


@dataclass(frozen=True, slots=True, kw_only=True)
class Extractor:
    """A model that is asked for one instrument."""

    instrument: str
    frames: int
    """Token frames of its one-shots."""
    model: Dose
    place: int | None
    """The instrument's class, in a model of several."""
    source: Mapping[str, Any]
    """Where the model comes from: file, sha256, recipe, step."""
    knows_the_end: bool = True
    """Whether it has learned what comes after a sound's end; with ``tail: masked`` it has not."""


def open_extractors(
    path: Path, instruments: Sequence[str] = (), codec: str | None = None, device: str = "auto"
) -> tuple[list[Extractor], Codec]:
    """Open what a checkpoint, or all checkpoints in a folder, can extract; or these instruments alone.

    ``codec`` is the name or the path of the codec, where rmod does not know it by the checkpoint's. Raises DoseError,
    CodecError and UsageError.
    """
    chosen = _chosen(_read(path, instruments), path, instruments)
    opened = _codec(list(chosen.values()), codec, device)
    loaded: dict[str, Dose] = {}
    extractors = []
    for instrument, checkpoint in chosen.items():
        model = loaded.get(checkpoint.about)
        if model is None:
            model = loaded[checkpoint.about] = fitting_model(checkpoint, opened)
        extractors.append(extractor_of(checkpoint, instrument, model, _source(checkpoint)))
    return extractors, opened


def fitting_model(checkpoint: DoseCheckpoint, codec: Codec) -> Dose:
    """Return a checkpoint's model on the codec's device. Raises DoseError if its tokens are of another shape."""
    size, identity = checkpoint.recipe.model, codec.identity
    for name in ("codebooks", "codebook_size"):
        own, wanted = getattr(size, name), getattr(identity, name)
        if own != wanted:
            found = f"a model with {name.replace('_', ' ')} {own}, the codec {identity.name} has {wanted}"
            raise DoseError(checkpoint.about, found, "give the codec that it was trained with: --codec PATH")
    return load_dose_model(checkpoint).to(codec.device)


def extractor_of(
    checkpoint: DoseCheckpoint, instrument: str, model: Dose, source: Mapping[str, Any] | None = None
) -> Extractor:
    """Return a checkpoint's model as it is asked for an instrument. Raises DoseError for one that it does not know."""
    place = checkpoint.class_of(instrument)
    return Extractor(
        instrument=instrument,
        frames=checkpoint.recipe.frames(instrument),
        model=model,
        place=place if len(checkpoint.instruments) > 1 else None,
        knows_the_end=checkpoint.recipe.loss.tail == "learned",
        source=source or {"file": Path(checkpoint.about).name, "recipe": checkpoint.recipe.name},
    )


def _read(path: Path, instruments: Sequence[str]) -> list[DoseCheckpoint]:
    """Return the checkpoints of a file or a folder, in the order of their names."""
    if path.is_file():
        return [read_dose_checkpoint(path)]
    if not path.is_dir():
        raise DoseError(path, "no such file or folder", GIVE)
    files = sorted(path.glob("*.pth"))
    # kick.pth and kick-snare.pth are named by what they extract; no other need be read for a kick.
    named = [each for each in files if set(each.stem.split("-")) & set(instruments)]
    found = _readable(named)
    if not named or set(instruments) - {each for checkpoint in found for each in checkpoint.instruments}:
        # A file may have been given another name.
        found = _readable(files)
    if not found:
        raise DoseError(path, f"no DOSE checkpoint among {len(files)} .pth files", GIVE)
    return found


def _readable(files: Sequence[Path]) -> list[DoseCheckpoint]:
    found = []
    for file in files:
        try:
            found.append(read_dose_checkpoint(file))
        except ForeignFileError as error:
            log.info("%s is left out: %s", error.about, error.found)
    return found


def _chosen(checkpoints: Sequence[DoseCheckpoint], path: Path, instruments: Sequence[str]) -> dict[str, DoseCheckpoint]:
    """Return by instrument which checkpoint extracts it; in the order asked for, or of files."""
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
    return {each: by_instrument[each] for each in dict.fromkeys(instruments or by_instrument)}


def _codec(checkpoints: Sequence[DoseCheckpoint], chosen: str | None, device: str) -> Codec:
    """Open the codec that all checkpoints name, or the one that was chosen."""
    said = str(checkpoints[0].codec.get("name", ""))
    name = chosen or find_known_name(said)
    if name is None:
        hint = f"give the path of its weights: --codec PATH (rmod knows {', '.join(KNOWN)})"
        raise UsageError("--codec", f"{checkpoints[0].about} speaks tokens of {said or 'no codec that it names'}", hint)
    codec = CodecChoice(name=name, device=device, batch=CODEC_BATCH).open()
    for checkpoint in checkpoints:
        try:
            checkpoint.require_codec(codec.identity)
        except CodecError as error:
            own = str(checkpoint.codec.get("name", ""))
            hint = f"give the codec {own} that it was trained with: --codec PATH"
            if own != said:
                hint = f"its codec is {own}, another than that of {checkpoints[0].about}: extract with one at a time"
            raise CodecError(error.about, error.found, hint) from error
    return codec


def _source(checkpoint: DoseCheckpoint) -> dict[str, Any]:
    step = checkpoint.progress.get("step")
    return {
        "file": Path(checkpoint.about).name,
        "sha256": file_digest(Path(checkpoint.about)),
        "recipe": checkpoint.recipe.name,
        **({"step": step} if isinstance(step, int) else {}),
    }
