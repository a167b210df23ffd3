"""Open an embedding by its name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from rmod_pipeline.codec.codec import select_device
from rmod_pipeline.errors import ModelError, UsageError, nearest
from rmod_pipeline.evaluation.embeddings.base import Embedding
from rmod_pipeline.evaluation.embeddings.clap import CLAP, open_clap
from rmod_pipeline.evaluation.embeddings.shipped import (
    CLASSIFIER,
    CODEC_LATENTS,
    EAR,
    open_classifier_embedding,
    open_codec_embedding,
    open_ear_embedding,
)
from rmod_pipeline.evaluation.embeddings.vggish import VGGISH, open_vggish
from rmod_pipeline.evaluation.embeddings.yamnet import YAMNET, open_yamnet

_OPENERS: Mapping[str, Callable[[Path | None, str, str | None], Embedding]] = {
    EAR: lambda weights, _device, _sha256: open_ear_embedding(weights),
    CLASSIFIER: lambda weights, _device, _sha256: open_classifier_embedding(weights),
    CODEC_LATENTS: lambda weights, device, _sha256: open_codec_embedding(weights, device),
    YAMNET: lambda weights, _device, sha256: open_yamnet(weights, sha256),
    VGGISH: open_vggish,
    CLAP: open_clap,
}

EMBEDDINGS = tuple(_OPENERS)
"""The names of all embeddings."""
SHIPPED = (EAR, CLASSIFIER, CODEC_LATENTS)
"""Those that need no weights of the user."""


def open_embedding(
    name: str, weights: Path | None = None, device: str = "cpu", *, sha256: str | None = None
) -> Embedding:
    """Open an embedding by its name, in which capital letters do not matter.

    weights: a file, for CLAP a folder; those that rmod ships have weights of their own. device: cpu, cuda, cuda:1 or
    auto; the ear, the classifier and YAMNet always run on the CPU. sha256: that of the weights, so that others are
    refused. Raises UsageError for an unknown name or device, and ModelError or CodecError for weights that are missing,
    broken, of another checksum or of another model, and for an extra that is not installed.
    """
    known = {each.lower(): each for each in EMBEDDINGS}
    if name.lower() not in known:
        raise UsageError("embedding", f"unknown '{name}'{nearest(name, EMBEDDINGS)}", f"choose {', '.join(EMBEDDINGS)}")
    chosen = known[name.lower()]
    if chosen in SHIPPED and sha256 is not None:
        raise ModelError(chosen, "takes no sha256: it names its weights itself", "leave the sha256 out")
    return _OPENERS[chosen](weights, select_device(device), sha256)
