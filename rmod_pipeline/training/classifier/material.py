"""Compute what a classifier is trained on, once, into one file: the levels of every sound and of its varied copies.

The file is a flat array of frames, memory-mapped, with a listing beside it. Its name is a digest of everything that
decides its content, so it is never stale, and the folds of an experiment share it.
"""

from __future__ import annotations

import hashlib
import json
import logging
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from rmod_pipeline.audio import processor_family
from rmod_pipeline.classification.labels import leaf_name
from rmod_pipeline.classification.levels import Levels, compute_sound_levels, prepare_sound
from rmod_pipeline.classification.recipe import ClassifierRecipe
from rmod_pipeline.codec.window import Mono
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import AssetError, ModelError
from rmod_pipeline.features import LogMel
from rmod_pipeline.library.process_pool import ScanProgress, map_batches, map_in_order
from rmod_pipeline.library.read import decode_verified, resample
from rmod_pipeline.library.taxonomy import NOT_A_DRUM
from rmod_pipeline.storage import Location
from rmod_pipeline.storage.publish import publish, publish_bytes
from rmod_pipeline.storage.writing import report_unwritable, temporary_file
from rmod_pipeline.synthesis.dsp import SAMPLE_RATE
from rmod_pipeline.synthesis.random_drums import synthesize_random_drum
from rmod_pipeline.training.classifier.sounds import PITCHED, LabelledSound
from rmod_pipeline.training.classifier.variation import cut_part, vary_sound

logger = logging.getLogger(__name__)

FORMAT = 2
"""A change that alters the levels gets another number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SoundMaterial:
    """The levels of all sounds."""

    frames: NDArray[np.uint8]
    """[frames of all sounds, windows, bands], memory-mapped."""
    parts: tuple[tuple[tuple[int, int], ...], ...]
    """For each sound, start and frames of the sound itself and of its copies; none for an unreadable sound."""

    def read(self, sound: int, copy: int) -> Levels:
        """Return the levels of a copy of a sound, 0 for the sound itself: uint8 [windows, bands, frames]."""
        start, count = self.parts[sound][copy]
        return np.ascontiguousarray(self.frames[start : start + count].transpose(1, 2, 0))


def prepare_sound_material(
    sounds: Sequence[LabelledSound],
    recipe: ClassifierRecipe,
    features: LogMel,
    folder: Path,
    *,
    workers: int = 1,
    progress: ScanProgress | None = None,
) -> SoundMaterial:
    """Return the levels of sounds and of their copies, computed now or before into the folder.

    A sound that cannot be read is left out, with a warning. Raises ModelError if the folder cannot be written.
    """
    stem = folder / _make_digest(sounds, recipe, features)
    listing, array = stem.with_suffix(".json"), stem.with_suffix(".npy")
    stored = _load(array, listing, len(sounds))
    if stored is not None and _has_mended_sounds(stored, sounds, features.sample_rate, workers):
        stored = None
    if stored is None:
        _write(_compute_all(sounds, recipe, features, workers, progress), array, listing, features)
        stored = _load(array, listing, len(sounds))
    if stored is None:
        raise ModelError(array, "cannot be read back", "check the disk, and give the same command again")
    return stored


def _load(array: Path, listing: Path, count: int) -> SoundMaterial | None:
    """Return stored levels of ``count`` sounds; None if there are none, or if they are damaged."""
    if not listing.exists():
        return None
    try:
        rows = json.loads(listing.read_bytes())
        frames = np.load(array, mmap_mode="r")
        parts = tuple(tuple((int(start), int(length)) for start, length in copies) for copies in rows)
    except (OSError, ValueError, TypeError) as error:
        logger.warning("%s is damaged and is computed again: %s", array, error)
        return None
    ends = [start + length for copies in parts for start, length in copies]
    if len(parts) != count or max(ends, default=0) > len(frames):
        logger.warning("%s is damaged and is computed again: its listing does not fit", array)
        return None
    return SoundMaterial(frames=frames, parts=parts)


def _has_mended_sounds(stored: SoundMaterial, sounds: Sequence[LabelledSound], rate: int, workers: int) -> bool:
    """Return whether a sound that could not be read when the levels were computed can be read now."""
    left_out = [sound for sound, copies in zip(sounds, stored.parts, strict=True) if not copies]
    # In processes of their own: one of them may have crashed its decoder, and would again.
    check = partial(_are_readable, rate)
    answers = map_batches(check, left_out, max(workers, 2), len(left_out), batch_size=1, fewest_for_pool=1)
    return any(is_readable for _, is_readable in list(answers))


def _make_digest(sounds: Sequence[LabelledSound], recipe: ClassifierRecipe, features: LogMel) -> str:
    """Return a digest of everything that decides the levels."""
    variation = recipe.variation.model_dump(mode="json")
    settings = [FORMAT, processor_family(), recipe.seed, recipe.model.seconds, variation, features.to_dict()]
    rows = [[sound.key, sound.kind, sound.partner[1] if sound.partner else None] for sound in sounds]
    return hashlib.sha256(json.dumps([settings, rows]).encode()).hexdigest()[:16]


def _write(computed: Iterator[Sequence[Levels]], array: Path, listing: Path, features: LogMel) -> None:
    rows: list[list[tuple[int, int]]] = []
    total = 0
    shape = (len(features.windows), features.bands)
    with report_unwritable(array, kind=ModelError):
        array.parent.mkdir(parents=True, exist_ok=True)
        with temporary_file(array.with_suffix(".tmp.raw")) as raw, temporary_file(array.with_suffix(".tmp")) as final:
            with raw.open("wb") as file:
                for copies in computed:
                    row = []
                    for levels in copies:
                        row.append((total, levels.shape[2]))
                        total += levels.shape[2]
                        file.write(np.ascontiguousarray(levels.transpose(2, 0, 1)).tobytes())
                    rows.append(row)
            content = np.memmap(raw, np.uint8, "r", shape=(total, *shape)) if total else np.zeros((0, *shape), np.uint8)
            with final.open("wb") as file:
                np.save(file, content)
            listing.unlink(missing_ok=True)  # that of other content would not fit
            publish(final, array)
        # The listing is written last: an array without a listing counts as missing.
        publish_bytes(json.dumps(rows).encode(), listing, listing.parent)


def _compute_all(
    sounds: Sequence[LabelledSound],
    recipe: ClassifierRecipe,
    features: LogMel,
    workers: int,
    progress: ScanProgress | None,
) -> Iterator[Sequence[Levels]]:
    """Yield the levels of each sound, in the order of the sounds; none for an unreadable one."""
    compute = partial(_compute_batch, recipe, features)
    for done, (sound, result) in enumerate(map_in_order(compute, sounds, workers, len(sounds)), start=1):
        if result is None or isinstance(result, str):
            logger.warning("left out: %s", result or f"{sound.path}: its decoder crashed")
        yield () if result is None or isinstance(result, str) else result
        if progress:
            progress("Varying", done, len(sounds))


def _compute_batch(
    recipe: ClassifierRecipe, features: LogMel, sounds: Sequence[LabelledSound]
) -> list[Sequence[Levels] | str | None]:
    return [_compute(sound, recipe, features) for sound in sounds]


def _compute(sound: LabelledSound, recipe: ClassifierRecipe, features: LogMel) -> Sequence[Levels] | str:
    """Return the levels of a sound and of its copies, or why it cannot be read."""
    rate = features.sample_rate
    try:
        audio = _synthesize(sound, recipe.seed, rate) if sound.path is None else _read(sound.path, sound.sha256, rate)
        partner = _read(*sound.partner, rate) if sound.partner else None
    except AssetError as error:
        return str(error)
    seconds, variation = recipe.model.seconds, recipe.variation
    longest = round(seconds * rate)
    levels = [compute_sound_levels(audio, features, seconds)]
    semitones = variation.pitched_semitones if sound.kind in PITCHED else variation.semitones
    for copy in range(variation.synthesised_copies if sound.path is None else variation.copies):
        draw = Draw.of("classifier", recipe.seed, sound.key, copy)
        # A phrase or a noise may begin anywhere. A drum begins at its beginning.
        part = cut_part(audio, draw.at("part"), rate) if sound.kind == NOT_A_DRUM else audio
        varied = vary_sound(part[: 2 * longest], partner, draw, variation=variation, semitones=semitones, rate=rate)
        levels.append(compute_sound_levels(varied, features, seconds))
    return levels


def _synthesize(sound: LabelledSound, seed: int, rate: int) -> Mono:
    audio = synthesize_random_drum(leaf_name(sound.kind, sound.subkind), Draw.of("classifier", seed, sound.key))
    mono: Mono = resample(audio.astype(np.float32)[None], SAMPLE_RATE, rate)[0]
    return mono


def _are_readable(rate: int, sounds: Sequence[LabelledSound]) -> list[bool]:
    """Return whether each sound can be read, and its partner."""
    return [_is_readable(sound, rate) for sound in sounds]


def _is_readable(sound: LabelledSound, rate: int) -> bool:
    try:
        if sound.path is not None:
            _read(sound.path, sound.sha256, rate)
        if sound.partner:
            _read(*sound.partner, rate)
    except AssetError:
        return False
    return True


def _read(path: Location, sha256: str, rate: int) -> Mono:
    decoded = decode_verified(path, sha256)
    return prepare_sound(decoded.audio, decoded.sample_rate, rate)
