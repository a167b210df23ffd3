"""The published checkpoints (``kick.ckpt``, ...) -> ours, for a model with the published arithmetic.

They are Lightning files, whose ``state_dict`` holds the transformer under ``inst_decoder.``. What else stands in them,
optimizers, callbacks, modules that were built and never used, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from rmod_pipeline.codec.torch_support import checked_state, file_bytes, unpickled
from rmod_pipeline.codec.window import TARGET_FRAMES
from rmod_pipeline.dose.checkpoint import DoseCheckpoint
from rmod_pipeline.dose.recipe import DoseRecipe, DoseSchedule, LossSettings, ModelSize
from rmod_pipeline.errors import DoseError

PREFIX = "inst_decoder."
UNUSED = re.compile(r"positional_encoder\.|midi_embedding_layer\.|dac_projection_layer\.|blocks\.\d+\.attn\.mask$")
HEADS = 16
"""Of the published models; their weights do not show it."""

SPOKEN = {"name": "dac-44khz", "sample_rate": 44_100, "hop": 512}
"""What is known of the codec: the paper names it, no checkpoint says which weights it had."""

GIVE = "give a checkpoint that the DOSE authors published, such as kick.ckpt"
REFUSED = (
    "Lightning may have written Python objects beside the weights (its hyper_parameters); rmod never loads these. If "
    "you trust the file as you would a program, open it once where its authors' code is installed, write its weights: "
    "torch.save({'state_dict': torch.load(FILE, weights_only=False)['state_dict']}, 'kick.ckpt'), and import that"
)

_NAMES = {
    "attention_norm": "ln1",
    "attention.out": "attn.proj",
    "feed_forward_norm": "ln2",
    "feed_forward.into": "ff.0",
    "feed_forward.out": "ff.2",
}
"""The parts of a block: our name and theirs. Query, key and value are one array here and three there."""


def import_reference(path: Path, instrument: str | None = None, heads: int = HEADS) -> DoseCheckpoint:
    """Read a published checkpoint; nothing in it is ever run.

    Without an ``instrument``, the file's name is to say it. Raises DoseError for anything else than such a checkpoint.
    """
    chosen = _instrument(path, instrument)
    content = unpickled(file_bytes(path, DoseError, GIVE), path, DoseError, refused=REFUSED)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise DoseError(path, "not a Lightning checkpoint: no state_dict", GIVE)
    theirs = checked_state(_used(content["state_dict"]), path, DoseError, "a Lightning checkpoint", GIVE)
    size = _size(theirs, heads, path)
    step = content.get("global_step")
    return DoseCheckpoint(
        recipe=_recipe(size, chosen),
        instruments=(chosen,),
        codec={**SPOKEN, "codebooks": size.codebooks, "codebook_size": size.codebook_size},
        progress={"step": step} if isinstance(step, int) else {},
        state=_translated(theirs, size, path),
        about=str(path),
    )


def _used(state: Any) -> Any:
    """Return the transformer's part of a state dict, by names without its prefix. What is unused may hold anything."""
    if not isinstance(state, dict):
        return state
    inside = {str(name).removeprefix(PREFIX): value for name, value in state.items() if str(name).startswith(PREFIX)}
    return {name: value for name, value in inside.items() if not UNUSED.match(name)}


def _instrument(path: Path, given: str | None) -> str:
    if given is not None:
        if given not in TARGET_FRAMES:
            raise DoseError(given, "no instrument of the published models", f"choose {', '.join(TARGET_FRAMES)}")
        return given
    named = [name for name in TARGET_FRAMES if name in re.sub(r"[^a-z]", "", path.stem.lower())]
    if len(named) != 1:
        raise DoseError(path, "its name does not say what it extracts", f"give --instrument {'|'.join(TARGET_FRAMES)}")
    return named[0]


def _size(theirs: Mapping[str, Tensor], heads: int, path: Path) -> ModelSize:
    """Return the size that the arrays' shapes tell."""
    codebooks = _count(theirs, r"audio_embedding_layer\.(\d+)\.")
    layers = _count(theirs, r"blocks\.(\d+)\.")
    if not codebooks or not layers:
        raise DoseError(path, f"no DOSE transformer in it: nothing under {PREFIX}", GIVE)
    vocabulary, width = _taken(theirs, "audio_embedding_layer.0.weight", path, (None, None)).shape
    if width % heads or width % 2:
        raise DoseError(path, f"its width {width} is no multiple of {heads} heads", "give its number of heads: --heads")
    feed_forward = _taken(theirs, "blocks.0.ff.0.weight", path, (None, width)).shape[0]
    try:
        return ModelSize(
            layers=layers,
            width=width,
            heads=heads,
            feed_forward=feed_forward,
            codebooks=codebooks,
            codebook_size=vocabulary - 1,
            reference_compatible=True,
        )
    except ValidationError as error:
        first = error.errors()[0]
        raise DoseError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", GIVE) from error


def _recipe(size: ModelSize, instrument: str) -> DoseRecipe:
    """Return the recipe that such a model was made by, as the paper tells it."""
    return DoseRecipe(
        name="published",
        description="Weights that the authors of DOSE published.",
        instruments=(instrument,),
        model=size,
        loss=LossSettings(onset=1.0, tail="learned"),
        schedule=DoseSchedule(batch=96, learning_rate=1e-4, steps=1_562_500, check_every_steps=10_417),
    )


def _translated(theirs: Mapping[str, Tensor], size: ModelSize, path: Path) -> dict[str, Tensor]:
    """Return their arrays under our names. Raises DoseError for one that is missing, unknown, or of another shape."""
    left = {**_zeros(size), **theirs}
    ours: dict[str, Tensor] = {}
    for name, (parts, shape) in _expected(size).items():
        each = (shape[0] // len(parts), *shape[1:])
        ours[name] = torch.cat([_taken(left, part, path, each) for part in parts]).float()
        for part in parts:
            del left[part]
    if left:
        raise DoseError(path, f"{PREFIX}{min(left)}: the published model has no such part", GIVE)
    return ours


def _zeros(size: ModelSize) -> dict[str, Tensor]:
    """Return what stands for arrays that a published model may lack."""
    return {"fc.bias": torch.zeros(size.codebooks * size.vocabulary)}


def _expected(size: ModelSize) -> dict[str, tuple[list[str], tuple[int, ...]]]:
    """Return, by our name, the arrays of theirs that one of ours is put together of, and its shape."""
    width, inside, out = size.width, size.feed_forward, size.codebooks * size.vocabulary
    made: dict[str, tuple[list[str], tuple[int, ...]]] = {}
    for k in range(size.codebooks):
        made[f"tokens.{k}.weight"] = ([f"audio_embedding_layer.{k}.weight"], (size.vocabulary, width))
    rows = {"feed_forward.into": inside}
    columns = {"attention.out": width, "feed_forward.into": width, "feed_forward.out": inside}
    for at in (f"blocks.{block}" for block in range(size.layers)):
        for part, name in _NAMES.items():
            shape = (rows.get(part, width), columns[part]) if part in columns else (width,)
            made[f"{at}.{part}.weight"] = ([f"{at}.{name}.weight"], shape)
            made[f"{at}.{part}.bias"] = ([f"{at}.{name}.bias"], shape[:1])
        for kind, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
            three = [f"{at}.attn.{name}.{kind}" for name in ("query", "key", "value")]
            made[f"{at}.attention.query_key_value.{kind}"] = (three, shape)
    for ours, theirs, shape in (("norm", "ln", (width,)), ("head", "fc", (out, width))):
        made[f"{ours}.weight"] = ([f"{theirs}.weight"], shape)
        made[f"{ours}.bias"] = ([f"{theirs}.bias"], shape[:1])
    return made


def _count(theirs: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many numbers, from 0 on, the names have at a place."""
    return len({found[1] for name in theirs if (found := re.match(pattern, name))})


def _taken(theirs: Mapping[str, Tensor], name: str, path: Path, shape: tuple[int | None, ...]) -> Tensor:
    """Return an array of this shape; None is any length."""
    if name not in theirs:
        raise DoseError(path, f"{PREFIX}{name} is missing", GIVE)
    found = theirs[name].shape
    if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        wanted = " x ".join("any" if each is None else str(each) for each in shape)
        raise DoseError(path, f"{PREFIX}{name} is {' x '.join(map(str, found))}, not {wanted}", GIVE)
    return theirs[name]
