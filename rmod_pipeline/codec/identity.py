"""The identity of a codec: what decides the meaning of its tokens."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

from rmod_pipeline.codec.catalogue import make_plain_name
from rmod_pipeline.codec.checkpoint import CodecCheckpoint
from rmod_pipeline.errors import CodecError

_LABELS = {"sample_rate": "sample rate", "codebooks": "number of codebooks", "codebook_size": "codebook size"}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodecIdentity:
    """Name, weights and shape of a codec."""

    name: str
    """With a short hash of the weights: ``mini-1a2b3c4d``."""
    version: str
    sha256: str
    """Of the weights in float32 and of the model's arguments; it does not depend on the file format."""
    sample_rate: int
    hop: int
    """Samples per token frame."""
    codebooks: int
    codebook_size: int

    @classmethod
    def of(cls, name: str, checkpoint: CodecCheckpoint, model: Any) -> CodecIdentity:
        """Return the identity of a network loaded from a checkpoint; a name in the checkpoint has precedence."""
        digest = weights_digest(checkpoint)
        name = make_plain_name(str(checkpoint.about.get("name", name)))
        return cls(
            name=f"{name}-{digest[:8]}",
            version=str(checkpoint.about.get("version", "")),
            sha256=digest,
            sample_rate=int(model.sample_rate),
            hop=int(model.hop_length),
            codebooks=int(model.n_codebooks),
            codebook_size=int(model.codebook_size),
        )

    def to_dict(self) -> dict[str, Any]:
        """Return the identity as a dict of JSON types."""
        return asdict(self)

    def require(self, expected: Mapping[str, Any], about: object) -> None:
        """Raise CodecError unless ``expected``, the identity of the codec of some tokens as JSON, is this identity.

        ``about`` names the tokens in the error.
        """
        own = self.to_dict()
        for key in ("sample_rate", "hop", "codebooks", "codebook_size", "sha256"):
            if key in expected and expected[key] != own[key]:
                found = f"made with {_LABELS.get(key, key)} {expected[key]}, the codec {self.name} has {own[key]}"
                raise CodecError(about, found, "give the codec that the tokens were made with")


def weights_digest(checkpoint: CodecCheckpoint) -> str:
    """Return the SHA-256 of the model's arguments and of all arrays as float32, in the order of names."""
    digest = hashlib.sha256(repr(sorted(checkpoint.kwargs.items())).encode())
    for name in sorted(checkpoint.state):
        array = checkpoint.state[name].float().contiguous().numpy()
        digest.update(f"{name} {array.shape}".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
