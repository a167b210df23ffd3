"""Convert checkpoints that the DOSE authors published (``kick.ckpt``, ...) to rmod's format.

They are Lightning files whose ``state_dict`` holds the transformer under ``inst_decoder.``. Optimizers, callbacks and
modules that the published code builds and never uses are left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor

from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.codec.window import TARGET_FRAMES
from rmod_pipeline.dose.checkpoint import DoseCheckpoint
from rmod_pipeline.dose.recipe import DoseRecipe, DoseSchedule, LossSettings, ModelSize
from rmod_pipeline.errors import DoseError

PREFIX = "inst_decoder."
UNUSED = re.compile(r"positional_encoder\.|midi_embedding_layer\.|dac_projection_layer\.|blocks\.\d+\.attn\.mask$")
HEADS = 16
"""Attention heads of the published models; the shapes of their weights do not tell it."""

CODEC = {"name": "dac-44khz", "sample_rate": 44_100, "hop": 512}
"""What is known about the codec: the paper names it, but no checkpoint says which weights it had."""

HINT = "give a checkpoint that the DOSE authors published, such as kick.ckpt"
HINT_FOR_OBJECTS = (
    "Lightning may have stored Python objects next to the weights (its hyper_parameters), which are never loaded here. "
    "If you trust the file as you would trust a program, open it once where its authors' code is installed and write "
    "its weights: torch.save({'state_dict': torch.load(FILE, weights_only=False)['state_dict']}, 'kick.ckpt'); then "
    "import that file"
)

_PUBLISHED_NAMES = {
    "attention_norm": "ln1",
    "attention.out": "attn.proj",
    "feed_forward_norm": "ln2",
    "feed_forward.into": "ff.0",
    "feed_forward.out": "ff.2",
}
"""Parts of a layer: our name -> the published name. Query, key and value are one array here, but three there."""


def import_reference(path: Path, instrument: str | None = None, heads: int = HEADS) -> DoseCheckpoint:
    """Convert a published checkpoint without running code from it.

    Without ``instrument`` the file name must contain it. Raises DoseError for any other file.
    """
    name = _find_instrument(path, instrument)
    content = unpickle_weights(read_weights_file(path, DoseError, HINT), path, DoseError, unsafe_hint=HINT_FOR_OBJECTS)
    if not isinstance(content, dict) or "state_dict" not in content:
        raise DoseError(path, "not a Lightning checkpoint: no state_dict", HINT)
    published = check_state_dict(
        _select_transformer(content["state_dict"]), path, DoseError, "a Lightning checkpoint", HINT
    )
    size = _infer_size(published, heads, path)
    step = content.get("global_step")
    return DoseCheckpoint(
        recipe=_make_recipe(size, name),
        instruments=(name,),
        codec={**CODEC, "codebooks": size.codebooks, "codebook_size": size.codebook_size},
        progress={"step": step} if isinstance(step, int) else {},
        state=_convert_state(published, size, path),
        about=str(path),
    )


def _select_transformer(state: Any) -> Any:
    """Return the transformer's entries of a state dict by names without prefix; unused entries may hold anything."""
    if not isinstance(state, dict):
        return state
    inside = {str(name).removeprefix(PREFIX): value for name, value in state.items() if str(name).startswith(PREFIX)}
    return {name: value for name, value in inside.items() if not UNUSED.match(name)}


def _find_instrument(path: Path, given: str | None) -> str:
    if given is not None:
        if given not in TARGET_FRAMES:
            raise DoseError(given, "not an instrument of the published models", f"choose {', '.join(TARGET_FRAMES)}")
        return given
    matches = [name for name in TARGET_FRAMES if name in re.sub(r"[^a-z]", "", path.stem.lower())]
    if len(matches) != 1:
        raise DoseError(
            path,
            "its name does not say what the model extracts",
            f"give --instrument with one of {', '.join(TARGET_FRAMES)}",
        )
    return matches[0]


def _infer_size(published: Mapping[str, Tensor], heads: int, path: Path) -> ModelSize:
    """Return the model size that the shapes of the arrays imply."""
    codebooks = _count_numbers(published, r"audio_embedding_layer\.(\d+)\.")
    layers = _count_numbers(published, r"blocks\.(\d+)\.")
    if not codebooks or not layers:
        raise DoseError(path, f"contains no DOSE transformer: no weights under {PREFIX}", HINT)
    vocabulary, width = _get_array(published, "audio_embedding_layer.0.weight", path, (None, None)).shape
    if width % heads or width % 2:
        raise DoseError(
            path, f"its width {width} is not a multiple of {heads} heads", "give the number of heads: --heads"
        )
    feed_forward = _get_array(published, "blocks.0.ff.0.weight", path, (None, width)).shape[0]
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
        raise DoseError(path, f"{'.'.join(map(str, first['loc']))}: {first['msg']}", HINT) from error


def _make_recipe(size: ModelSize, instrument: str) -> DoseRecipe:
    """Return the recipe of a published model, as the paper describes it."""
    return DoseRecipe(
        name="published",
        description="Weights that the authors of DOSE published.",
        instruments=(instrument,),
        model=size,
        loss=LossSettings(onset=1.0, tail="learned"),
        schedule=DoseSchedule(batch=96, learning_rate=1e-4, steps=1_562_500, check_every_steps=10_417),
    )


def _convert_state(published: Mapping[str, Tensor], size: ModelSize, path: Path) -> dict[str, Tensor]:
    """Return the arrays under our names. Raises DoseError for one that is missing, unknown, or of another shape."""
    remaining = {**_optional_arrays(size), **published}
    ours: dict[str, Tensor] = {}
    for name, (parts, shape) in _list_arrays(size).items():
        part_shape = (shape[0] // len(parts), *shape[1:])
        ours[name] = torch.cat([_get_array(remaining, part, path, part_shape) for part in parts]).float()
        for part in parts:
            del remaining[part]
    if remaining:
        raise DoseError(path, f"{PREFIX}{min(remaining)}: the published model has no such part", HINT)
    return ours


def _optional_arrays(size: ModelSize) -> dict[str, Tensor]:
    """Return defaults for arrays that a published model may lack."""
    return {"fc.bias": torch.zeros(size.codebooks * size.vocabulary)}


def _list_arrays(size: ModelSize) -> dict[str, tuple[list[str], tuple[int, ...]]]:
    """Return by our name of each array: the published arrays that are concatenated to it, and its shape."""
    width, inside, out = size.width, size.feed_forward, size.codebooks * size.vocabulary
    arrays: dict[str, tuple[list[str], tuple[int, ...]]] = {}
    for k in range(size.codebooks):
        arrays[f"tokens.{k}.weight"] = ([f"audio_embedding_layer.{k}.weight"], (size.vocabulary, width))
    rows = {"feed_forward.into": inside}
    columns = {"attention.out": width, "feed_forward.into": width, "feed_forward.out": inside}
    for layer in (f"blocks.{number}" for number in range(size.layers)):
        for part, name in _PUBLISHED_NAMES.items():
            shape = (rows.get(part, width), columns[part]) if part in columns else (width,)
            arrays[f"{layer}.{part}.weight"] = ([f"{layer}.{name}.weight"], shape)
            arrays[f"{layer}.{part}.bias"] = ([f"{layer}.{name}.bias"], shape[:1])
        for kind, shape in (("weight", (3 * width, width)), ("bias", (3 * width,))):
            parts = [f"{layer}.attn.{name}.{kind}" for name in ("query", "key", "value")]
            arrays[f"{layer}.attention.query_key_value.{kind}"] = (parts, shape)
    for own, name, shape in (("norm", "ln", (width,)), ("head", "fc", (out, width))):
        arrays[f"{own}.weight"] = ([f"{name}.weight"], shape)
        arrays[f"{own}.bias"] = ([f"{name}.bias"], shape[:1])
    return arrays


def _count_numbers(published: Mapping[str, Tensor], pattern: str) -> int:
    """Return how many different numbers a pattern finds in the names of arrays."""
    return len({match[1] for name in published if (match := re.match(pattern, name))})


def _get_array(published: Mapping[str, Tensor], name: str, path: Path, shape: tuple[int | None, ...]) -> Tensor:
    """Return an array. Raises DoseError if it is missing or has another shape; None in the shape is any length."""
    if name not in published:
        raise DoseError(path, f"{PREFIX}{name} is missing", HINT)
    found = published[name].shape
    if len(found) != len(shape) or any(want not in (None, have) for want, have in zip(shape, found, strict=True)):
        expected = " x ".join("any" if length is None else str(length) for length in shape)
        raise DoseError(path, f"{PREFIX}{name} is {' x '.join(map(str, found))}, not {expected}", HINT)
    return published[name]
