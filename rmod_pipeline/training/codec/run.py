"""Run the training of a codec from its options: load the recipe, prepare the sounds, train."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from rmod_pipeline.codec.catalogue import find_weights
from rmod_pipeline.codec.checkpoint import read_codec_checkpoint
from rmod_pipeline.codec.codec import select_device
from rmod_pipeline.codec.torch_support import flush_denormals, use_threads
from rmod_pipeline.errors import BuildError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.storage.writing import check_writable_folder
from rmod_pipeline.training.codec.material import prepare_material
from rmod_pipeline.training.codec.recipe import load_codec_recipe, with_minutes
from rmod_pipeline.training.codec.train import WEIGHTS, CodecTrainer


def train_from_libraries(
    recipe: str,
    libraries: Sequence[Library],
    out: Path,
    *,
    minutes: float | None,
    threads: int,
    device: str,
    begin_from: str | None,
    on_report: Callable[[dict[str, Any]], None],
    on_step: Callable[[float, int], None],
) -> Path:
    """Train a codec, or resume its training, and return its checkpoint.

    on_report: called with the held-out losses of each validation. on_step: called with the share of the budget that is
    used, 0..1, and the step. Raises RecipeError, CodecError, BuildError.
    """
    loaded = with_minutes(load_codec_recipe(recipe), minutes)
    checkpoint = None
    if begin_from is not None:
        _, path, sha256 = find_weights(begin_from)
        checkpoint = read_codec_checkpoint(path, sha256)
    device = select_device(device)
    check_writable_folder(out, kind=BuildError)
    use_threads(threads)
    with flush_denormals():
        valid, train = (prepare_material(loaded, libraries, split, out / "material") for split in ("valid", "train"))
        CodecTrainer(loaded, train, valid, out, device, begin_from=checkpoint).run(on_report, on_step)
    return out / WEIGHTS
