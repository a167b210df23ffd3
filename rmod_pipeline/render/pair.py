"""Render pairs: dry tracks, mixture, levels. The spec holds every value that varies between pairs."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from rmod_pipeline.audio import Audio, Pcm, gain_to_db, peak, to_channels, to_pcm
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.render.chain import apply_effects
from rmod_pipeline.render.measure import (
    Meter,
    PairLevels,
    TrackLevels,
    measure_audibility,
    measure_mix,
    measure_target,
    open_meter,
)
from rmod_pipeline.render.mixing import MixedPair, MixedTrack, mix_pairs, open_converter
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
    """Each track at the sum, before the master chain: float [2, frames]."""
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
    specs: Sequence[PairSpec], sounds: Sounds, on_pair: Callable[[PairSpec], None] = lambda _spec: None
) -> list[Pair]:
    """Render specs with equal settings. Each pair has the same bits as alone; together they are faster.

    ``on_pair`` is called with a spec before anything is done that may fail because of it. Raises the same errors as
    ``render_pair``, and ValueError for unequal settings.
    """
    if any(spec.settings != specs[0].settings for spec in specs):
        raise ValueError("specs with unequal settings cannot be rendered together")
    prepared = []
    for spec in specs:
        on_pair(spec)
        prepared.append(_prepare(spec, sounds))
    mixed = mix_pairs([(pair.spec, pair.dry) for pair in prepared])
    pairs = []
    for dry, wet in zip(prepared, mixed, strict=True):
        on_pair(dry.spec)
        pairs.append(_finish(dry, wet))
    return pairs


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


def _finish(prepared: _PreparedPair, mixed: MixedPair) -> Pair:
    spec, settings = prepared.spec, prepared.spec.settings
    meter = open_meter(settings.engine)
    mix = open_converter(settings.engine)(check_finite(mixed.total, mixed.mastered, spec))
    targets = {drum.kind: to_pcm(to_channels(prepared.one_shots[drum.kind], 2)) for drum in spec.targets}
    return Pair(
        spec=spec,
        mix=mix,
        targets=targets,
        tracks={each.track.kind: each.audio for each in mixed.tracks},
        measured=PairLevels(
            mix=measure_mix(mix, settings.sample_rate, meter),
            targets={kind: measure_target(target, settings.sample_rate) for kind, target in targets.items()},
            tracks={each.track.kind: _measure_track(each, mixed.total, settings, meter=meter) for each in mixed.tracks},
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


def check_finite(total: Audio, mastered: Audio, spec: PairSpec) -> Audio:
    """Return the mixture [2, frames]: the sum after the master chain, and nothing else.

    Raises RecipeError for a mixture that is not finite, because rounding it to 16 bit would give noise.
    """
    mix = to_channels(mastered, 2)
    if not (np.isfinite(total).all() and np.isfinite(mix).all()):
        found = f"{spec.key} is too loud: it has infinite or NaN samples"
        raise RecipeError(spec.recipe, found, "lower the gains of its effects; gains add up along a chain")
    return mix


def _measure_track(mixed: MixedTrack, total: Audio, settings: Settings, *, meter: Meter) -> TrackLevels:
    track = mixed.track
    audible_db = None
    if isinstance(track, DrumTrack):
        audible_db = measure_audibility(mixed.audio, total, track.notes, settings, meter)
    loudest, level = meter.peak_and_rms(mixed.audio)
    return TrackLevels(
        peak_dbfs=round(gain_to_db(loudest), 3),
        rms_dbfs=round(gain_to_db(level), 3),
        inserts_db=mixed.inserts_db,
        audible_db=audible_db,
    )
