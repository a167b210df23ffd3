"""Define the job that adds tokens to a finished data set, from its audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rmod_pipeline.pipeline.encoding import EncodeBatch, PrefetchEncoder, TokenSettings
from rmod_pipeline.pipeline.jobs.from_audio import AudioContext, AudioJob
from rmod_pipeline.shards.token_family import TokenFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeJob(AudioJob):
    """The encoding of a finished data set: the data set, and the tokens to make."""

    option: ClassVar[str] = "this --codec"
    nothing: ClassVar[str] = "keeps no sound that could be encoded"

    encoding: TokenSettings

    @property
    def family(self) -> TokenFamily:
        """The tokens to make."""
        return self.encoding.family

    def open(self, encode: EncodeBatch | None) -> AudioContext:
        """Open the encoding in a worker. Raises ValueError without ``encode``."""
        if encode is None:
            raise ValueError("encoding needs an encoder")
        return AudioContext(self.layout, encoding=self.encoding, encoder=PrefetchEncoder(encode))
