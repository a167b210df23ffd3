"""Is there room for a data set?"""

from __future__ import annotations

import shutil
from pathlib import Path

from rmod_pipeline.errors import BuildError
from rmod_pipeline.pipeline.jobs.build import BuildJob
from rmod_pipeline.shards.layout import ShardPlan
from rmod_pipeline.storage import StorePath

BYTES_PER_FRAME = 4
"""16-bit stereo."""

TYPICAL_ONE_SHOT_SECONDS = 1.0
"""Longer than most: an estimate that is too high costs a message, one too low a night's work."""

FLAC_SHARE = 0.75
TOKEN_BYTES = 20_000
"""Four seconds and some targets, with their JSON."""

OVERHEAD_BYTES = 20_000
"""MIDI, JSON, tar headers and the index, for a pair."""


def pair_bytes(job: BuildJob) -> int:
    """Return about how many bytes a pair takes."""
    recipe = job.recipe
    tokens = TOKEN_BYTES if job.encoding else 0
    if not job.audio:
        return tokens + OVERHEAD_BYTES
    target_frames = min(TYPICAL_ONE_SHOT_SECONDS, recipe.one_shots.max_seconds) * recipe.sample_rate
    frames = recipe.frames * (1 + len(job.form.stem_kinds)) + len(recipe.targets) * target_frames
    share = FLAC_SHARE if job.audio_format == "flac" else 1.0
    return round(frames * BYTES_PER_FRAME * share) + tokens + OVERHEAD_BYTES


def check_space(plans: list[ShardPlan], job: BuildJob) -> None:
    """Raise BuildError if the shards will hardly fit on the disk; a store has no end."""
    if isinstance(job.out, StorePath):
        return
    needed = sum(plan.count for plan in plans) * pair_bytes(job)
    free = shutil.disk_usage(_existing(job.out)).free
    if needed > free:
        raise BuildError(
            job.out,
            f"about {gigabytes(needed)} needed, {gigabytes(free)} free",
            "free some space, choose another --out, fewer --pairs, --format flac, or --no-space-check",
        )


def gigabytes(count: float) -> str:
    """Return a number of bytes for people."""
    return f"{count / 1e9:.1f} GB" if count >= 1e8 else f"{count / 1e6:.1f} MB"


def _existing(path: Path) -> Path:
    return path if path.exists() or path.parent == path else _existing(path.parent)
