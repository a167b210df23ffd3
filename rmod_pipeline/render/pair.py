"""PairSpec -> Pair: dry tracks, effects, sum, master. Draws nothing: all that varies stands in the spec."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, peak, rms, to_channels, to_pcm
from rmod_pipeline.audio import gain_to_db as level
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.render.chain import apply_chain, apply_effects, with_sends
from rmod_pipeline.render.measure import Measured, TrackLevels, audible_db, measure_mix, measure_target
from rmod_pipeline.render.sounds import Sounds
from rmod_pipeline.render.tracks import at_peak, layer, render_backing_loop, render_drum_loop
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Settings, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rendered pair: 16-bit stereo [2, frames] throughout."""

    spec: PairSpec
    mix: Pcm
    targets: dict[str, Pcm]
    """The dry layered one-shot of each target kind: no effect, velocity or polarity reaches it."""
    stems: dict[str, Pcm]
    """Each track as it joined the sum, before the master chain."""
    measured: Measured


@dataclass(frozen=True, slots=True, kw_only=True)
class _Mixed:
    track: Track
    audio: Audio
    inserts_db: list[float]


def render_pair(spec: PairSpec, sounds: Sounds) -> Pair:
    """Render a spec. Raises AssetError or LibraryError for a sound that cannot be had.

    Raises ValueError if the sounds were opened at another rate than the spec's.
    """
    settings = spec.settings
    if settings.sample_rate != sounds.store.sample_rate:
        raise ValueError(f"sounds at {sounds.store.sample_rate} Hz for a spec at {settings.sample_rate} Hz")
    one_shots = {drum.kind: render_one_shot(drum, sounds, settings) for drum in spec.drums}
    drums = [
        mix_track(drum, render_drum_loop(one_shots[drum.kind], drum.notes, settings), settings) for drum in spec.drums
    ]
    loops = [mix_track(loop, render_loop(loop, sounds, settings), settings) for loop in spec.loops]
    total = sum_tracks([mixed.audio for mixed in (*drums, *loops)], settings)
    mix = to_pcm(apply_master(total, spec))
    targets = {drum.kind: to_pcm(to_channels(one_shots[drum.kind], 2)) for drum in spec.targets}
    return Pair(
        spec=spec,
        mix=mix,
        targets=targets,
        stems={mixed.track.kind: to_pcm(mixed.audio) for mixed in (*drums, *loops)},
        measured=Measured(
            mix=measure_mix(mix, settings.sample_rate),
            targets={kind: measure_target(target, settings.sample_rate) for kind, target in targets.items()},
            tracks={mixed.track.kind: _levels(mixed, total, settings) for mixed in (*drums, *loops)},
        ),
    )


def render_one_shot(drum: DrumTrack, sounds: Sounds, settings: Settings) -> Audio:
    """Return a drum's layered one-shot [1 or 2, frames]: what is placed in the loop and, as 16-bit, the target."""
    layers = [sounds.one_shot(one, settings) for one in drum.layers]
    layered = layer(layers, [one.weight for one in drum.layers])
    return at_peak(apply_effects(layered, drum.one_shot, settings), peak(layered)) if drum.one_shot else layered


def render_loop(track: LoopTrack, sounds: Sounds, settings: Settings) -> Audio:
    """Return a backing loop [1 or 2, frames] over the whole mixture, dry."""
    return render_backing_loop(sounds.loop(track, settings), track.period_frames, settings)


def mix_track(track: Track, dry: Audio, settings: Settings) -> _Mixed:
    """Run a dry track [1 or 2, frames] through its inserts and sends. Mono stays mono until the pan."""
    wet, inserts_db = apply_chain(dry, track.inserts, settings)
    return _Mixed(track=track, audio=with_sends(wet, track.sends, settings), inserts_db=inserts_db)


def sum_tracks(tracks: list[Audio], settings: Settings) -> Audio:
    """Return the sum of stereo tracks [2, frames]; silence for none."""
    total = np.zeros((2, settings.frames), dtype=np.float32)
    for track in tracks:
        total += track
    return total


def apply_master(total: Audio, spec: PairSpec) -> Audio:
    """Return the mixture [2, frames]: the sum after the master chain, with nothing added after it.

    Raises RecipeError for a mixture that is not finite: rounded to 16 bit it would be noise.
    """
    mix = to_channels(apply_effects(total, spec.master, spec.settings), 2)
    if not (np.isfinite(total).all() and np.isfinite(mix).all()):
        found = f"{spec.key} is too loud to be a number, or not a number"
        raise RecipeError(spec.recipe, found, "lower the gains of its effects: they add up along a chain")
    return mix


def _levels(mixed: _Mixed, total: Audio, settings: Settings) -> TrackLevels:
    track = mixed.track
    return TrackLevels(
        peak_dbfs=round(level(peak(mixed.audio)), 3),
        rms_dbfs=round(level(rms(mixed.audio)), 3),
        inserts_db=mixed.inserts_db,
        audible_db=audible_db(mixed.audio, total, track.notes, settings) if isinstance(track, DrumTrack) else None,
    )
