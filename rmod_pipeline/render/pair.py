"""Render a pair: dry tracks, effects, sum, master. The spec holds every value that varies between pairs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, db_to_gain, gain_to_db, peak, rms, to_channels, to_pcm
from rmod_pipeline.effects import FUSED
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.render.chain import add_sends, apply_chain, apply_effects
from rmod_pipeline.render.measure import PairLevels, TrackLevels, measure_audibility, measure_mix, measure_target
from rmod_pipeline.render.sounds import Sounds
from rmod_pipeline.render.tracks import mix_layers, render_backing_loop, render_drum_loop, scale_to_peak
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Settings, Track


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rendered pair: 16-bit stereo [2, frames], but for the tracks."""

    spec: PairSpec
    mix: Pcm
    targets: dict[str, Pcm]
    """The layered one-shot of each target kind, without velocity, inserts, sends and master."""
    tracks: dict[str, Audio]
    """Each track at the sum, before the master chain: float [2, frames]."""
    measured: PairLevels

    @property
    def stems(self) -> dict[str, Pcm]:
        """The tracks in 16 bit. They are converted when they are asked for, because few data sets store them."""
        return {kind: to_pcm(audio) for kind, audio in self.tracks.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class MixedTrack:
    """A track after its inserts and sends."""

    track: Track
    audio: Audio
    """[2, frames]."""
    inserts_db: list[float]
    """Measured gain of each insert."""


def render_pair(spec: PairSpec, sounds: Sounds) -> Pair:
    """Render a spec.

    Raises AssetError or LibraryError for a sound that is missing or unreadable, RecipeError for a mixture that is not
    finite, and ValueError if the sounds have another sample rate than the spec.
    """
    settings = spec.settings
    if settings.sample_rate != sounds.store.sample_rate:
        raise ValueError(f"sounds at {sounds.store.sample_rate} Hz for a spec at {settings.sample_rate} Hz")
    one_shots = {drum.kind: render_one_shot(drum, sounds, settings) for drum in spec.drums}
    dry = [
        *(render_drum_loop(one_shots[drum.kind], drum.notes, settings) for drum in spec.drums),
        *(render_loop(loop, sounds, settings) for loop in spec.loops),
    ]
    tracks, total, mastered = mix_tracks(spec, dry)
    mix = to_pcm(check_finite(total, mastered, spec))
    targets = {drum.kind: to_pcm(to_channels(one_shots[drum.kind], 2)) for drum in spec.targets}
    return Pair(
        spec=spec,
        mix=mix,
        targets=targets,
        tracks={mixed.track.kind: mixed.audio for mixed in tracks},
        measured=PairLevels(
            mix=measure_mix(mix, settings.sample_rate),
            targets={kind: measure_target(target, settings.sample_rate) for kind, target in targets.items()},
            tracks={mixed.track.kind: _measure_track(mixed, total, settings) for mixed in tracks},
        ),
    )


def render_one_shot(drum: DrumTrack, sounds: Sounds, settings: Settings) -> Audio:
    """Return the layered one-shot [1 or 2, frames] of a drum. The loop plays it, and in 16 bit it is the target."""
    layers = [apply_effects(sounds.one_shot(layer, settings), layer.effects, settings) for layer in drum.layers]
    weights = [layer.weight for layer in drum.layers]
    layered = mix_layers(layers, weights)
    if any(layer.effects for layer in drum.layers):
        # Effects may move the peak of a layer anywhere, also above full scale, so the sum gets a known peak.
        layered = scale_to_peak(layered, sum(weights))
    if not drum.one_shot:
        return layered
    return scale_to_peak(apply_effects(layered, drum.one_shot, settings), peak(layered))


def render_loop(track: LoopTrack, sounds: Sounds, settings: Settings) -> Audio:
    """Return a dry backing loop [1 or 2, frames] as long as the mixture."""
    return render_backing_loop(sounds.loop(track, settings), track.period_frames, settings)


def mix_track(track: Track, dry: Audio, settings: Settings) -> MixedTrack:
    """Apply the inserts and sends to a dry track [1 or 2, frames]. A mono track stays mono until its pan."""
    wet, inserts_db = apply_chain(dry, track.inserts, settings)
    return MixedTrack(track=track, audio=add_sends(wet, track.sends, settings), inserts_db=inserts_db)


def sum_tracks(tracks: list[Audio], settings: Settings) -> Audio:
    """Return the sum of stereo tracks [2, frames]; silence for no tracks."""
    total = np.zeros((2, settings.frames), dtype=np.float32)
    for track in tracks:
        total += track
    return total


def mix_tracks(spec: PairSpec, dry: Sequence[Audio]) -> tuple[list[MixedTrack], Audio, Audio]:
    """Return the tracks after their effects, their sum [2, frames], and that after the master chain [1 or 2, frames].

    dry: the audio [1 or 2, frames] of each track of the spec.
    """
    settings = spec.settings
    if settings.engine == FUSED and dry:
        return _mix_fused(spec, dry)
    tracks = [mix_track(track, audio, settings) for track, audio in zip(spec.tracks, dry, strict=True)]
    total = sum_tracks([mixed.audio for mixed in tracks], settings)
    return tracks, total, apply_effects(total, spec.master, settings)


def _mix_fused(spec: PairSpec, dry: Sequence[Audio]) -> tuple[list[MixedTrack], Audio, Audio]:
    from rmod_pipeline.effects.engines.fused.engine import Chains, mix_chains

    chains = [
        Chains(audio, track.inserts, [(db_to_gain(send.level_db), send.effects) for send in track.sends])
        for track, audio in zip(spec.tracks, dry, strict=True)
    ]
    mixed = mix_chains(chains, spec.master, spec.settings.sample_rate)
    results = zip(spec.tracks, mixed.tracks, mixed.inserts_db, strict=True)
    tracks = [MixedTrack(track=track, audio=audio, inserts_db=inserts_db) for track, audio, inserts_db in results]
    return tracks, mixed.total, mixed.mix


def check_finite(total: Audio, mastered: Audio, spec: PairSpec) -> Audio:
    """Return the mixture [2, frames]: the sum after the master chain, and nothing else.

    Raises RecipeError for a mixture that is not finite, because rounding it to 16 bit would give noise.
    """
    mix = to_channels(mastered, 2)
    if not (np.isfinite(total).all() and np.isfinite(mix).all()):
        found = f"{spec.key} is too loud: it has infinite or NaN samples"
        raise RecipeError(spec.recipe, found, "lower the gains of its effects; gains add up along a chain")
    return mix


def _measure_track(mixed: MixedTrack, total: Audio, settings: Settings) -> TrackLevels:
    track = mixed.track
    audible_db = None
    if isinstance(track, DrumTrack):
        audible_db = measure_audibility(mixed.audio, total, track.notes, settings)
    return TrackLevels(
        peak_dbfs=round(gain_to_db(peak(mixed.audio)), 3),
        rms_dbfs=round(gain_to_db(rms(mixed.audio)), 3),
        inserts_db=mixed.inserts_db,
        audible_db=audible_db,
    )
