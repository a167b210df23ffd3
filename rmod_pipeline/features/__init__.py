"""Features of audio for models that listen: log-mel spectrograms whose frames are aligned with the tokens."""

from rmod_pipeline.features.log_mel import LogMel, MelLevels

__all__ = ["LogMel", "MelLevels"]
