"""Mix dry tracks: effects, sum, master chain. Each engine has its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, db_to_gain, to_channels, to_pcm
from rmod_pipeline.effects import FUSED
from rmod_pipeline.render.chain import add_sends, apply_chain, apply_effects
from rmod_pipeline.render.measure import AudioLevels, LevelSource
from rmod_pipeline.spec import PairSpec, Settings, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedTrack:
    """A track after its inserts and sends."""

    track: Track
    levels: LevelSource
    audio: Audio | None
    """[2, frames]; None if it was not kept."""
    inserts_db: list[float]
    """Measured gain of each insert."""


@dataclass(frozen=True, slots=True)
class MixedPair:
    """The tracks of a pair, and their sum before and after the master chain."""

    tracks: list[MixedTrack]
    total: LevelSource
    mix: Pcm
    """[2, frames]: the sum after the master chain, and nothing else."""
    finite: bool
    """Whether all frames were, before and after the master chain; if not, the 16-bit mixture is noise."""


DryPair = tuple[PairSpec, Sequence[Audio]]
"""A spec, and the dry audio [1 or 2, frames] of each of its tracks."""


def mix_pairs(pairs: Sequence[DryPair], *, keep_tracks: bool = True) -> list[MixedPair]:
    """Mix pairs, whose settings are equal. The fused engine mixes them together; none changes the bits of another.

    Without ``keep_tracks`` an engine need not keep the audio of tracks.
    """
    fused = [index for index, (spec, dry) in enumerate(pairs) if spec.settings.engine == FUSED and dry]
    results = _mix_fused([pairs[index] for index in fused], keep_tracks) if fused else []
    mixed = dict(zip(fused, results, strict=True))
    return [mixed[index] if index in mixed else _mix_by_effect(*pair) for index, pair in enumerate(pairs)]


def _mix_by_effect(spec: PairSpec, dry: Sequence[Audio]) -> MixedPair:
    """Mix a pair, one effect after the other."""
    tracks, audios = [], []
    for track, audio in zip(spec.tracks, dry, strict=True):
        wet, inserts_db = mix_track(track, audio, spec.settings)
        tracks.append(MixedTrack(track=track, levels=AudioLevels(wet), audio=wet, inserts_db=inserts_db))
        audios.append(wet)
    total = sum_tracks(audios, spec.settings)
    mastered = to_channels(apply_effects(total, spec.master, spec.settings), 2)
    finite = bool(np.isfinite(total).all() and np.isfinite(mastered).all())
    return MixedPair(tracks, AudioLevels(total), to_pcm(mastered), finite)


def _mix_fused(pairs: Sequence[DryPair], keep_tracks: bool) -> list[MixedPair]:
    # Compiled kernels take a second to load: only users of this engine wait for them.
    from rmod_pipeline.effects.engines.fused import engine

    chains = [
        engine.PairChains(
            [
                engine.Chains(
                    dry=audio,
                    inserts=track.inserts,
                    sends=[(db_to_gain(send.level_db), send.effects) for send in track.sends],
                )
                for track, audio in zip(spec.tracks, dry, strict=True)
            ],
            spec.master,
        )
        for spec, dry in pairs
    ]
    results = engine.mix_chains(chains, pairs[0][0].settings.sample_rate, keep_tracks=keep_tracks)
    return [
        MixedPair(
            [
                MixedTrack(track=track, levels=wet, audio=wet.audio, inserts_db=inserts_db)
                for track, wet, inserts_db in zip(spec.tracks, mixed.tracks, mixed.inserts_db, strict=True)
            ],
            mixed.total,
            mixed.mix,
            mixed.finite,
        )
        for (spec, _), mixed in zip(pairs, results, strict=True)
    ]


def mix_track(track: Track, dry: Audio, settings: Settings) -> tuple[Audio, list[float]]:
    """Return a dry track [1 or 2, frames] after its inserts and sends [2, frames], and the gain of each insert in dB.

    A mono track stays mono until its pan.
    """
    wet, inserts_db = apply_chain(dry, track.inserts, settings)
    return add_sends(wet, track.sends, settings), inserts_db


def sum_tracks(tracks: list[Audio], settings: Settings) -> Audio:
    """Return the sum of stereo tracks [2, frames]; silence for no tracks."""
    total = np.zeros((2, settings.frames), dtype=np.float32)
    for track in tracks:
        total += track
    return total
