"""The thresholds of a report: a YAML file that comes with rmod, and the keys of a user's file in their place."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

from pydantic import Field

from rmod_pipeline.distributions import Probability, Strict
from rmod_pipeline.recipe.load import load_yaml_as, load_yaml_over
from rmod_pipeline.storage.folders import shipped_folder

Limit = float | None
"""A limit of a level; None turns its check off."""
Share = Probability | None
"""A limit from 0 to 1; None turns its check off."""
Count = Annotated[int, Field(ge=0)] | None
"""A largest number; None turns its check off."""


class DrawThresholds(Strict):
    """Limits of the tests of random values."""

    significance: Share


class RejectThresholds(Strict):
    """Limits of rejected attempts."""

    share_max: Share


class LoudnessThresholds(Strict):
    """Limits of the loudness of mixtures in LUFS."""

    lufs_min: Limit
    lufs_max: Limit
    outside_share_max: Probability


class ClippingThresholds(Strict):
    """Limits of samples at full scale: as a share, and in a row."""

    mix_full_scale_share_max: Share
    mix_full_scale_run_max: Count
    one_shot_full_scale_run_max: Count
    outside_share_max: Probability


class SilenceThresholds(Strict):
    """Limits of silence: peaks in dBFS, a share of the time, a time in ms."""

    mix_peak_dbfs_min: Limit
    one_shot_peak_dbfs_min: Limit
    mix_silent_share_max: Share
    one_shot_onset_ms_max: Limit
    outside_share_max: Probability


class OffsetThresholds(Strict):
    """Limits of the mean of the samples in dBFS."""

    mix_dc_dbfs_max: Limit
    one_shot_dc_dbfs_max: Limit
    outside_share_max: Probability


class DuplicateThresholds(Strict):
    """Limits of equal files."""

    mixes_max: Count


class LeakageThresholds(Strict):
    """Limits of sounds that are in two splits."""

    sounds_max: Count
    one_shots_max: Count
    near_duplicates_max: Count
    similarity_min: Annotated[float, Field(gt=0, le=1)]


class UseThresholds(Strict):
    """Limits of how evenly sounds are used."""

    effective_share_min: Share


class TokenThresholds(Strict):
    """Limits of how codebooks are used."""

    entropy_bits_min: Limit
    used_share_min: Share


class Thresholds(Strict):
    """All limits of a report, by section."""

    draws: DrawThresholds
    rejects: RejectThresholds
    loudness: LoudnessThresholds
    clipping: ClippingThresholds
    silence: SilenceThresholds
    offset: OffsetThresholds
    duplicates: DuplicateThresholds
    leakage: LeakageThresholds
    use: UseThresholds
    tokens: TokenThresholds


def load_thresholds(path: Path | None = None) -> Thresholds:
    """Return the thresholds that come with rmod, with the keys of a user's YAML file in their place.

    Raises RecipeError that names each unknown key and each wrong value with its line.
    """
    shipped = shipped_folder("recipes") / "report" / "default.yaml"
    if path is None:
        return load_yaml_as(Thresholds, shipped, shipped)
    return load_yaml_over(Thresholds, path, shipped)
