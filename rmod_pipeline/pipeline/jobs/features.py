"""Define the job that adds features to a finished data set, from its audio."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from rmod_pipeline.pipeline.encoding import EncodeBatch
from rmod_pipeline.pipeline.jobs.from_audio import AudioContext, AudioJob
from rmod_pipeline.shards.windows.feature_family import FeatureFamily


@dataclass(frozen=True, slots=True, kw_only=True)
class FeatureJob(AudioJob):
    """The features of a finished data set: the data set, and the features to make."""

    option: ClassVar[str] = "--features"
    nothing: ClassVar[str] = "keeps no sound to compute features from"

    features: FeatureFamily

    @property
    def encoding(self) -> None:
        """No tokens: features need no encoder."""
        return

    @property
    def family(self) -> FeatureFamily:
        """The features to make."""
        return self.features

    def open(self, encode: EncodeBatch | None = None) -> AudioContext:  # noqa: ARG002
        """Open the job in a worker."""
        return AudioContext(self.layout, features=self.features)
