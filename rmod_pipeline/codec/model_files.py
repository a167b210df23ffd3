"""Write and read the files of models: weights and metadata, as plain arrays, numbers and text.

Reading such a file runs no code from it: {"rmod_dose": 1, "state_dict": {...}, "metadata": {...}}. The first key names
the kind of model, its value is the version of the format.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import torch
from pydantic import BaseModel, ValidationError
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from rmod_pipeline.codec.torch_support import check_state_dict, read_weights_file, unpickle_weights
from rmod_pipeline.errors import ForeignFileError, ModelError, nearest

RecipeModel = TypeVar("RecipeModel", bound=BaseModel)
Network = TypeVar("Network", bound=nn.Module)

KINDS = {"rmod_dose": "a DOSE checkpoint", "rmod_ear": "an ear", "rmod_classifier": "a classifier of sounds"}
"""What a file is, by its first key."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelFile:
    """The content of a file."""

    state: Mapping[str, Tensor]
    metadata: Mapping[str, Any]
    path: Path
    sha256: str
    """Digest of the file."""


@dataclass(frozen=True, slots=True)
class ModelFormat:
    """The format of the files of one kind of model."""

    key: str
    """The first key of a file."""
    version: int
    hint: str
    """What to give in place of a file that is not of this kind."""

    @property
    def noun(self) -> str:
        """What a file of this format is."""
        return KINDS[self.key]

    def encode(self, state: Mapping[str, Tensor], metadata: Mapping[str, Any]) -> bytes:
        """Return the bytes of a file; equal content has equal bytes."""
        arrays = {name: value.detach().cpu().clone() for name, value in state.items()}
        stream = io.BytesIO()
        torch.save({self.key: self.version, "state_dict": arrays, "metadata": dict(metadata)}, stream)
        return stream.getvalue()

    def read(self, path: Path, foreign_hint: Callable[[Any], str] | None = None) -> ModelFile:
        """Read a file without running code from it.

        ``foreign_hint`` says what to do about the content of a file of another kind. Raises ModelError for a missing
        or broken file, ForeignFileError for one of another kind.
        """
        data = read_weights_file(path, ModelError, self.hint)
        content: Any = unpickle_weights(data, path, ModelError, broken_hint=self.hint)
        if not isinstance(content, dict) or self.key not in content:
            hint = foreign_hint(content) if foreign_hint else self.hint
            raise ForeignFileError(path, _describe_foreign(content, self.noun), hint)
        if content[self.key] != self.version:
            found = f"written in format {content[self.key]}, but this rmod reads format {self.version}"
            raise ModelError(path, found, "update rmod")
        state = check_state_dict(content.get("state_dict"), path, ModelError, self.noun, self.hint)
        metadata = content.get("metadata")
        if not isinstance(metadata, dict):
            raise ModelError(path, f"not {self.noun}: no metadata", self.hint)
        return ModelFile(state=state, metadata=metadata, path=path, sha256=hashlib.sha256(data).hexdigest())

    def read_recipe(self, model: type[RecipeModel], file: ModelFile) -> RecipeModel:
        """Return the recipe in the metadata of a file. Raises ModelError."""
        try:
            return model.model_validate(file.metadata.get("recipe"))
        except ValidationError as error:
            first = error.errors()[0]
            found = f"its recipe cannot be read: {'.'.join(map(str, first['loc']))}: {first['msg']}"
            raise ModelError(file.path, found, self.hint) from error


def load_network(make: Callable[[], Network], state: Mapping[str, Tensor], about: str) -> Network:
    """Return the network that ``make`` makes, with these weights, in float32 and in eval mode.

    Raises ModelError for weights that do not fit it.
    """
    with torch.device("meta"), _SkipInitialization():  # allocates no memory before the weights are loaded
        network = make()
    weights = {name: value.to(torch.float32, copy=True) for name, value in state.items()}
    try:
        network.load_state_dict(weights, assign=True)
    except RuntimeError as error:
        reason = " ".join(line.strip() for line in str(error).strip().splitlines()[:2])
        found = f"the weights do not fit the recipe in the file: {reason}"
        raise ModelError(about, found, "give an unmodified checkpoint") from error
    return network.eval()


def describe_origin(path: Path, sha256: str, recipe: str, progress: Mapping[str, Any]) -> dict[str, Any]:
    """Return the origin of a model for results: file, sha256, the name of its recipe, and its step if it is known."""
    step = progress.get("step")
    origin: dict[str, Any] = {"file": path.name, "sha256": sha256, "recipe": recipe}
    return {**origin, **({"step": step} if isinstance(step, int) else {})}


def require_equal_sizes(own: BaseModel, expected: BaseModel, about: str, ignored: Iterable[str] = ()) -> None:
    """Raise ModelError unless two sizes of models are equal; the fields ``ignored`` may differ."""
    existing, requested = own.model_dump(), expected.model_dump()
    for name in existing.keys() - set(ignored):
        if existing[name] != requested[name]:
            found = f"a model with {name.replace('_', ' ')} {existing[name]}, the recipe asks for {requested[name]}"
            raise ModelError(about, found, "give the recipe of this checkpoint, or start from new weights")


def find_class(instrument: str, instruments: Sequence[str], about: str, does: str) -> int:
    """Return the class of an instrument in a model. Raises ModelError for one that it does not know.

    ``does`` is what the model does with its instruments, such as "extracts".
    """
    if instrument not in instruments:
        found = f"{does} {' and '.join(instruments)}, not {instrument}{nearest(instrument, instruments)}"
        raise ModelError(about, found, f"give a checkpoint for {instrument}")
    return instruments.index(instrument)


def _describe_foreign(content: Any, expected: str) -> str:
    """Return what a file holds in place of the ``expected`` kind of model."""
    known = next((noun for key, noun in KINDS.items() if isinstance(content, dict) and key in content), None)
    return f"{known}, not {expected}" if known else "not a checkpoint of rmod"


class _SkipInitialization(TorchFunctionMode):
    """Skip drawing first weights: on the meta device that would import torch's compiler, which takes seconds."""

    def __torch_function__(
        self, func: Callable[..., Any], types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        keywords = kwargs or {}
        return keywords["tensor"] if func is nn.init.normal_ else func(*args, **keywords)
