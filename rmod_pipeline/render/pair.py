"""Render pairs: dry tracks, mixture, levels. The spec holds every value that varies between pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, gain_to_db, peak, to_pcm
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.render.chain import apply_effects
from rmod_pipeline.render.measure import (
    LevelSource,
    MixLevels,
    PairLevels,
    TrackLevels,
    measure_audibility,
    measure_mixes,
    measure_target,
    open_meter,
)
from rmod_pipeline.render.mixing import MixedPair, MixedTrack, mix_pairs
from rmod_pipeline.render.sounds import Sounds
from rmod_pipeline.render.tracks import mix_layers, render_backing_loop, render_drum_loop, scale_to_peak
from rmod_pipeline.spec import DrumTrack, LoopTrack, PairSpec, Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """A rendered pair: 16-bit stereo [2, frames], but for the tracks."""

    spec: PairSpec
    mix: Pcm
    targets: dict[str, Pcm]
    """The layered one-shot of each target kind, without velocity, inserts, sends and master."""
    tracks: dict[str, Audio]
    """Each track at the sum, before the master chain: float [2, frames]. Empty for a pair rendered without tracks."""
    measured: PairLevels

    @property
    def stems(self) -> dict[str, Pcm]:
        """The tracks in 16 bit. They are converted when they are asked for, because few data sets store them."""
        return {kind: to_pcm(audio) for kind, audio in self.tracks.items()}


def render_pair(spec: PairSpec, sounds: Sounds) -> Pair:
    """Render a spec.

    Raises AssetError or LibraryError for a sound that is missing or unreadable, RecipeError for a mixture that is not
    finite, and ValueError if the sounds have another sample rate than the spec.
    """
    return render_pairs([spec], sounds)[0]


def render_pairs(
    specs: Sequence[PairSpec],
    sounds: Sounds,
    on_pair: Callable[[PairSpec], None] = lambda _spec: None,
    *,
    keep_tracks: bool = True,
) -> list[Pair]:
    """Render specs with equal settings. Each pair has the same bits as alone; together they are faster.

    Without ``keep_tracks``, pairs have no ``tracks``, which is faster still. ``on_pair`` is called with a spec before
    anything is done that may fail because of it. Raises the same errors as ``render_pair``, and ValueError for unequal
    settings.
    """
    if any(spec.settings != specs[0].settings for spec in specs):
        raise ValueError("specs with unequal settings cannot be rendered together")
    prepared = []
    for spec in specs:
        on_pair(spec)
        prepared.append(_prepare(spec, sounds))
    mixed = mix_pairs([(pair.spec, pair.dry) for pair in prepared], keep_tracks=keep_tracks)
    for dry, wet in zip(prepared, mixed, strict=True):
        on_pair(dry.spec)
        check_finite(wet, dry.spec)
    if not specs:
        return []
    settings = specs[0].settings
    levels = measure_mixes([wet.mix for wet in mixed], settings.sample_rate, open_meter(settings.engine))
    return [_finish(*each) for each in zip(prepared, mixed, levels, strict=True)]


@dataclass(frozen=True, slots=True)
class _PreparedPair:
    """A pair whose tracks are still dry."""

    spec: PairSpec
    one_shots: dict[str, Audio]
    dry: list[Audio]


def _prepare(spec: PairSpec, sounds: Sounds) -> _PreparedPair:
    settings = spec.settings
    if settings.sample_rate != sounds.store.sample_rate:
        raise ValueError(f"sounds at {sounds.store.sample_rate} Hz for a spec at {settings.sample_rate} Hz")
    one_shots = {drum.kind: render_one_shot(drum, sounds, settings) for drum in spec.drums}
    drums = [render_drum_loop(one_shots[drum.kind], drum.notes, settings) for drum in spec.drums]
    return _PreparedPair(spec, one_shots, [*drums, *(render_loop(loop, sounds, settings) for loop in spec.loops)])


def _finish(prepared: _PreparedPair, mixed: MixedPair, mix_levels: MixLevels) -> Pair:
    spec, settings = prepared.spec, prepared.spec.settings
    meter = open_meter(settings.engine)
    targets = {drum.kind: _to_stereo(meter.to_pcm(prepared.one_shots[drum.kind])) for drum in spec.targets}
    return Pair(
        spec=spec,
        mix=mixed.mix,
        targets=targets,
        tracks={each.track.kind: each.audio for each in mixed.tracks if each.audio is not None},
        measured=PairLevels(
            mix=mix_levels,
            targets={kind: measure_target(target, settings.sample_rate, meter) for kind, target in targets.items()},
            tracks={each.track.kind: _measure_track(each, mixed.total, settings) for each in mixed.tracks},
        ),
    )


def _to_stereo(pcm: Pcm) -> Pcm:
    """Return 16-bit audio with two channels; mono is copied to both."""
    return pcm if len(pcm) > 1 else np.repeat(pcm, 2, axis=0)


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


def check_finite(mixed: MixedPair, spec: PairSpec) -> None:
    """Raise RecipeError for a mixture that is not finite, because in 16 bit it is noise."""
    if not mixed.finite:
        found = f"{spec.key} is too loud: it has infinite or NaN samples"
        raise RecipeError(spec.recipe, found, "lower the gains of its effects; gains add up along a chain")


def _measure_track(mixed: MixedTrack, total: LevelSource, settings: Settings) -> TrackLevels:
    track = mixed.track
    audible_db = None
    if isinstance(track, DrumTrack):
        audible_db = measure_audibility(mixed.levels, total, track.notes, settings)
    loudest, level = mixed.levels.peak_and_rms()
    return TrackLevels(
        peak_dbfs=round(gain_to_db(loudest), 3),
        rms_dbfs=round(gain_to_db(level), 3),
        inserts_db=mixed.inserts_db,
        audible_db=audible_db,
    )
