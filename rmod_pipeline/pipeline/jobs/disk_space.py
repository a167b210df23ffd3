"""Estimate the size of a data set, and check that it fits on the disk."""

from __future__ import annotations

import math
import shutil
from pathlib import Path

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.shards.windows.feature_family import FeatureFamily
from rmod_pipeline.storage import StorePath

BYTES_PER_FRAME = 4
"""16-bit stereo."""

TYPICAL_ONE_SHOT_SECONDS = 1.0
"""Longer than most one-shots: too high an estimate costs a message, too low a one costs a night's build."""

FLAC_SHARE = 0.75
"""Size of a FLAC file relative to WAV."""

TOKEN_BYTES = 20_000
"""Tokens of four seconds and some targets, with their JSON."""

FEATURE_JSON_BYTES = 10_000
"""The JSON beside the features of a pair, and tar headers."""

OVERHEAD_BYTES = 20_000
"""MIDI, JSON, tar headers and index rows per pair."""


def estimate_pair_bytes(job: BuildJob) -> int:
    """Return the approximate size of a pair in bytes."""
    recipe = job.recipe
    derived = (TOKEN_BYTES if job.encoding else 0) + (_feature_bytes(job.features) if job.features else 0)
    if not job.audio:
        return derived + OVERHEAD_BYTES
    target_frames = min(TYPICAL_ONE_SHOT_SECONDS, recipe.one_shots.max_seconds) * recipe.sample_rate
    frames = recipe.frames * (1 + len(job.storage.stem_kinds)) + len(recipe.targets) * target_frames
    share = FLAC_SHARE if job.audio_format == "flac" else 1.0
    return round(frames * BYTES_PER_FRAME * share) + derived + OVERHEAD_BYTES


def _feature_bytes(features: FeatureFamily) -> int:
    return sum(math.prod(features.shape(sound)) for sound in features.windows) + FEATURE_JSON_BYTES


def check_space(plans: list[ShardPlan], job: BuildJob) -> None:
    """Raise BuildError if the shards will probably not fit on the disk. A store is not checked."""
    if isinstance(job.out, StorePath):
        return
    needed = sum(plan.count for plan in plans) * estimate_pair_bytes(job)
    free = shutil.disk_usage(_nearest_existing(job.out)).free
    if needed > free:
        raise BuildError(
            job.out,
            f"about {format_bytes(needed)} needed, {format_bytes(free)} free",
            "free some space, choose another --out, fewer --pairs, --format flac, or --no-space-check",
        )


def format_bytes(count: float) -> str:
    """Return a number of bytes as text in MB or GB."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _nearest_existing(path: Path) -> Path:
    return path if path.exists() or path.parent == path else _nearest_existing(path.parent)
