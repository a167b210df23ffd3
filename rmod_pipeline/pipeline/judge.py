"""Which pairs ought not to be: a pure function of what was rendered."""

from __future__ import annotations

from dataclasses import dataclass

from rmod_pipeline.recipe import RejectLimits
from rmod_pipeline.render import PairLevels


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    """Why a pair ought not to be."""

    stage: str
    reason: str


def judge(measured: PairLevels, limits: RejectLimits) -> Reject | None:
    """Return the first reason against a pair, or None. Reasons name the kind, never a figure: they are counted."""
    for kind, target in measured.targets.items():
        if target.peak_dbfs < limits.silent_dbfs:
            return Reject(stage="target", reason=f"silent {kind}")
    if measured.mix.peak_dbfs < limits.silent_dbfs:
        return Reject(stage="mix", reason="silent mix")
    for kind in measured.targets:
        audible = measured.tracks[kind].audible_db
        if audible is not None and audible < -limits.buried_db:
            return Reject(stage="mix", reason=f"buried {kind}")
    return None
