"""Decide which rendered pairs are rejected, from their measured levels alone."""

from __future__ import annotations

from dataclasses import dataclass

from rmod_pipeline.audio import SILENCE_DB
from rmod_pipeline.recipe import RejectLimits
from rmod_pipeline.render import PairLevels


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Why a pair is rejected."""

    stage: str
    """The part that was judged: ``target`` or ``mix``."""
    reason: str


def judge(measured: PairLevels, limits: RejectLimits) -> Reject | None:
    """Return the first reason to reject a pair, or None. Reasons name no levels, so that they can be counted.

    Levels in mono decide, because tokens are made of the mean of the channels.
    """
    for kind, target in measured.targets.items():
        if min(target.peak_dbfs, target.mono_peak_dbfs) < limits.silent_dbfs:
            return Reject(stage="target", reason=f"silent {kind}")
    if min(measured.mix.peak_dbfs, measured.mix.mono_peak_dbfs) < limits.silent_dbfs:
        return Reject(stage="mix", reason="silent mix")
    for kind in measured.targets:
        track = measured.tracks.get(kind)  # an imported pair has no tracks
        audible = track.audible_db if track else None
        if audible is not None and (audible < -limits.buried_db or audible <= SILENCE_DB):
            return Reject(stage="mix", reason=f"buried {kind}")
    return None
