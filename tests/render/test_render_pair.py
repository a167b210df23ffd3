"""A rendered pair: its target is the one-shot of the track, its mixture follows the spec, its bytes do not vary."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.audio import Audio, Pcm, db_to_gain, from_pcm, rms, to_channels, to_pcm
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.decay import Decay
from rmod_pipeline.effects.delay import Delay
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.pan import Pan
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.errors import LibraryError, RecipeError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import Pair, Sounds, render_pair
from rmod_pipeline.render.chain import apply_effect
from rmod_pipeline.render.mixing import mix_track, sum_tracks
from rmod_pipeline.render.pair import render_loop, render_one_shot
from rmod_pipeline.render.tracks import render_drum_loop
from rmod_pipeline.spec import DrumTrack, Note, PairSpec, Send
from tests.render.render_examples import RATE, SETTINGS, compose, drum, loop, open_sounds, quick, spec_of

LOUD = (
    Gain(gain_db=6.0),
    Compressor(threshold_db=-30.0, ratio=8.0, attack_ms=1.0, release_ms=50.0),
    Pan(position=0.1, law="linear"),
)
ROOM = Reverb(room=0.8, damping=0.1, width=1.0)


def arrays(pair: Pair) -> dict[str, Pcm]:
    """Return every array of a pair by name."""
    stems = {f"stem {kind}": stem for kind, stem in pair.stems.items()}
    return {"mix": pair.mix, **pair.targets, **stems}


def is_equal(first: Pair, second: Pair) -> bool:
    """Return whether two pairs have equal arrays and levels."""
    equal = [np.array_equal(sound, arrays(second)[name]) for name, sound in arrays(first).items()]
    return all(equal) and list(arrays(first)) == list(arrays(second)) and first.measured == second.measured


@pytest.mark.parametrize("kind", ["kick", "snare", "hihat"])
def test_the_target_is_the_one_shot_in_the_track(kind: str, tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, kind, [480])
    pair = render_pair(spec_of([track]), sounds)
    target = from_pcm(pair.targets[kind])
    start = SETTINGS.onset(480)
    hit = from_pcm(pair.stems[kind])[:, start : start + target.shape[1]]
    amplitude = (track.notes[0].velocity + 1) / 128
    # Both are rounded to 16 bit, and the division enlarges the rounding of the loop.
    assert np.abs(hit / amplitude - target).max() <= (0.5 / amplitude + 0.5) / 32767 + 1e-6
    assert not from_pcm(pair.stems[kind])[:, :start].any()
    # Before the rounding to 16 bit, only the product with the amplitude is rounded.
    one_shot = render_one_shot(track, sounds, SETTINGS)
    dry = render_drum_loop(one_shot, track.notes, SETTINGS)[:, start : start + one_shot.shape[1]]
    assert np.allclose(dry / np.float32(amplitude), one_shot, rtol=2e-7, atol=0)
    assert np.array_equal(pair.targets[kind], to_pcm(to_channels(one_shot, 2)))


@pytest.mark.parametrize("kind", ["kick", "snare", "hihat"])
def test_no_velocity_effect_send_or_master_reaches_the_target(kind: str, tiny: Library, sounds: Sounds) -> None:
    plain = drum(tiny, kind, [0, 700])
    played = replace(
        plain,
        notes=(Note(tick=3, velocity=17), Note(tick=4, velocity=126)),
        inserts=LOUD,
        sends=(Send(name="reverb", level_db=0.0, effects=(ROOM,)),),
    )
    master = (Gain(gain_db=20.0), Limiter(threshold_db=-6.0, release_ms=10.0))
    dry, wet = render_pair(spec_of([plain]), sounds), render_pair(spec_of([played], master=master), sounds)
    assert np.array_equal(dry.targets[kind], wet.targets[kind])
    assert not np.array_equal(dry.mix, wet.mix)


def test_a_target_is_the_weighted_sum_of_its_peak_normalised_layers(tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, "kick", [0], weights=(0.6, 0.4))
    sources = [sounds.store.read(layer.asset) for layer in track.layers]
    expected = np.zeros((2, max(source.shape[1] for source in sources)))
    for source, weight in zip(sources, (0.6, 0.4), strict=True):
        expected[:, : source.shape[1]] += weight * to_channels(source, 2) / np.abs(source).max()
    assert np.abs(from_pcm(render_pair(spec_of([track]), sounds).targets["kick"]) - expected).max() < 1 / 32767


def test_a_varied_one_shot_is_played_and_is_the_target(tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, "kick", [480], weights=(0.6, 0.4))
    first_layer, second_layer = track.layers
    fast, slow = replace(first_layer, semitones=12.0), replace(second_layer, semitones=-5.0)
    varied = replace(track, layers=(fast, slow), one_shot=(Decay(seconds=0.1), Gain(gain_db=9.0)))
    plain, varied_one_shot = render_one_shot(track, sounds, SETTINGS), render_one_shot(varied, sounds, SETTINGS)
    # Every layer has its own speed; the slowed layer is the longest now.
    lengths = [sounds.one_shot(layer, SETTINGS).shape[1] for layer in (*track.layers, *varied.layers)]
    assert lengths[2] == pytest.approx(lengths[0] / 2, abs=1)
    assert lengths[3] == pytest.approx(lengths[1] * 2 ** (5 / 12), abs=1)
    assert varied_one_shot.shape[1] == max(lengths[2:])
    layered = render_one_shot(replace(varied, one_shot=()), sounds, SETTINGS)
    time = np.arange(layered.shape[1]) / RATE
    decayed = layered * 10 ** (-3 / 0.1 * time)
    expected = decayed / np.abs(decayed).max() * np.abs(layered).max()
    assert varied_one_shot == pytest.approx(expected, abs=1e-5)
    assert rms(plain) > 0

    pair = render_pair(spec_of([varied]), sounds)
    assert np.array_equal(pair.targets["kick"], to_pcm(to_channels(varied_one_shot, 2)))
    start = SETTINGS.onset(480)
    hit = (
        from_pcm(pair.stems["kick"])[:, start : start + varied_one_shot.shape[1]] * 128 / (varied.notes[0].velocity + 1)
    )
    assert hit == pytest.approx(from_pcm(pair.targets["kick"])[:, : hit.shape[1]], abs=1e-4)


def test_a_one_shot_longer_than_two_seconds_is_cut_and_faded(tiny: Library, sounds: Sounds) -> None:
    target = render_pair(spec_of([drum(tiny, "hihat", [0])]), sounds).targets["hihat"]
    assert tiny.by_id["hihat/1"].seconds > 2
    assert target.shape == (2, 2 * RATE)
    assert not target[:, -1].any()


def test_a_hit_cuts_only_hits_of_its_own_kind(tiny: Library, sounds: Sounds) -> None:
    both = render_pair(spec_of([drum(tiny, "kick", [0, 100]), drum(tiny, "snare", [50, 120])]), sounds)
    kick = render_pair(spec_of([drum(tiny, "kick", [0, 100])]), sounds)
    snare = render_pair(spec_of([drum(tiny, "snare", [50, 120])]), sounds)
    assert np.array_equal(both.stems["kick"], kick.stems["kick"])
    assert np.array_equal(both.stems["snare"], snare.stems["snare"])
    assert both.targets["kick"].shape[1] > SETTINGS.onset(50)  # the hits overlap


def test_a_drum_without_target_is_in_the_mixture_only(tiny: Library, sounds: Sounds) -> None:
    pair = render_pair(spec_of([drum(tiny, "kick", [0]), drum(tiny, "snare", [0], target=False)]), sounds)
    assert list(pair.targets) == ["kick"]
    assert list(pair.stems) == ["kick", "snare"]


def test_the_mixture_is_the_sum_of_its_tracks_after_the_master(tiny: Library, sounds: Sounds) -> None:
    spec = compose(load_recipe(find_recipe("rmod")), tiny, 3)
    pair = render_pair(spec, sounds)
    dry = {track.kind: _dry(track, spec, sounds) for track in spec.tracks}
    tracks = [mix_track(track, dry[track.kind], spec.settings)[0] for track in spec.tracks]
    total = sum_tracks(tracks, spec.settings)
    assert np.allclose(total, np.sum([track.astype(np.float64) for track in tracks], axis=0), atol=1e-6)
    for effect in spec.master:
        assert not effect.match_rms
        total = apply_effect(total, effect, spec.settings)
    assert np.array_equal(pair.mix, to_pcm(total))
    for track, audio in zip(spec.tracks, tracks, strict=True):
        assert np.array_equal(pair.stems[track.kind], to_pcm(audio))


def _dry(track: object, spec: PairSpec, sounds: Sounds) -> Audio:
    if isinstance(track, DrumTrack):
        return render_drum_loop(render_one_shot(track, sounds, spec.settings), track.notes, spec.settings)
    return render_loop(track, sounds, spec.settings)  # type: ignore[arg-type]


def test_inserts_come_before_sends_and_sends_before_the_sum(tiny: Library, sounds: Sounds) -> None:
    send = Send(name="delay", level_db=-6.0, effects=(Delay(seconds=0.5, feedback=0.0),))
    panned = drum(tiny, "kick", [0], inserts=(Pan(position=0.0, law="linear"),), sends=(send,))
    pair = render_pair(spec_of([panned]), sounds)
    # The insert pans to the left, so the echo of the send is on the left too.
    assert not pair.stems["kick"][1].any()
    echo = from_pcm(pair.stems["kick"])[0, RATE // 2 :]
    first = from_pcm(pair.stems["kick"])[0, : RATE // 2]
    overlap = pair.targets["kick"].shape[1] - RATE // 2
    assert np.abs(echo[overlap : RATE // 4] - first[overlap : RATE // 4] * db_to_gain(-6.0)).max() < 1e-3
    assert np.array_equal(pair.mix, pair.stems["kick"])


@pytest.mark.parametrize(("kind", "channels"), [("bass", 1), ("piano", 2)])
def test_mono_and_stereo_loops_become_stereo(kind: str, channels: int, tiny: Library, sounds: Sounds) -> None:
    track = loop(tiny, kind)
    assert sounds.loop(track, SETTINGS).shape[0] == channels
    stem = render_pair(spec_of(loops=[track]), sounds).stems[kind]
    assert stem.shape == (2, 4 * RATE)
    assert np.array_equal(stem[0], stem[1]) == (channels == 1)


def test_a_loop_shorter_than_its_period_is_padded(tiny: Library, sounds: Sounds) -> None:
    stem = render_pair(spec_of(loops=[loop(tiny, "vocal", period_frames=2 * RATE)]), sounds).stems["vocal"]
    length = sounds.loop(loop(tiny, "vocal"), SETTINGS).shape[1]
    assert length < 2 * RATE
    assert not stem[:, length : 2 * RATE].any()
    assert np.array_equal(stem[:, : 2 * RATE], stem[:, 2 * RATE :])


def test_a_loop_longer_than_its_period_is_cut(tiny: Library, sounds: Sounds) -> None:
    whole = sounds.loop(loop(tiny, "guitar"), SETTINGS)
    assert whole.shape[1] > 4 * RATE
    stem = render_pair(spec_of(loops=[loop(tiny, "guitar")]), sounds).stems["guitar"]
    assert np.array_equal(stem, to_pcm(whole[:, : 4 * RATE]))


@pytest.mark.parametrize("semitones", [-12, -1, 5, 12])
def test_a_shifted_loop_has_its_length_and_the_new_pitch(semitones: int, tiny: Library, sounds: Sounds) -> None:
    plain, shifted = sounds.loop(loop(tiny, "piano"), SETTINGS), sounds.loop(loop(tiny, "piano", semitones), SETTINGS)
    assert shifted.shape == plain.shape
    assert np.isfinite(shifted).all()
    assert _pitch(shifted) / _pitch(plain) == pytest.approx(2 ** (semitones / 12), rel=0.01)


def _pitch(audio: Audio) -> float:
    """Return the strongest frequency, in Hz, of the first second."""
    spectrum = np.abs(np.fft.rfft(audio[0, :RATE] * np.hanning(RATE)))
    return float(spectrum[50:].argmax() + 50)


@pytest.mark.parametrize("recipe", ["quick", "rmod", "rmod_wide"])
def test_rendering_again_gives_the_same_bytes(recipe: str, tiny: Library, sounds: Sounds, tmp_path: Path) -> None:
    for index in range(2):
        spec = compose(load_recipe(find_recipe(recipe)), tiny, index)
        pair = render_pair(spec, sounds)
        assert is_equal(pair, render_pair(spec, sounds))
        assert is_equal(pair, render_pair(spec, open_sounds(tiny, sounds.prepared.folder)))  # cached shifts
        assert is_equal(pair, render_pair(spec, open_sounds(tiny, tmp_path / f"{index}")))  # new shifts
        assert is_equal(pair, render_pair(PairSpec.from_json(spec.to_json()), open_sounds(tiny, tmp_path / f"{index}")))
        assert is_equal(pair, render_pair(spec, open_sounds(tiny, sounds.prepared.folder, memory=0)))  # no memory cache


def test_rendering_does_not_depend_on_earlier_pairs(tiny: Library, sounds: Sounds) -> None:
    specs = [quick(tiny, index) for index in range(4)]
    forwards = [render_pair(spec, sounds) for spec in specs]
    backwards = [render_pair(spec, sounds) for spec in reversed(specs)][::-1]
    assert all(is_equal(first, second) for first, second in zip(forwards, backwards, strict=True))


def test_cached_sounds_are_read_only(tiny: Library, sounds: Sounds) -> None:
    cached = sounds.loop(loop(tiny, "piano"), SETTINGS), sounds.one_shot(drum(tiny, "kick", [0]).layers[0], SETTINGS)
    for sound in cached:
        with pytest.raises(ValueError, match="read-only"):
            sound[0, 0] = 1.0


def test_the_sound_cache_stays_within_its_limit(tiny: Library, pitched: Path) -> None:
    limit = 3 * 2**20
    sounds = open_sounds(tiny, pitched, memory=limit)
    for semitones in range(4):
        for kind in ("bass", "piano", "guitar"):
            sounds.loop(loop(tiny, kind, semitones), SETTINGS)
            assert sum(audio.nbytes for audio in sounds._cache.values()) == sounds._bytes <= limit


def test_a_changed_sound_under_an_old_id_is_refused(tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, "kick", [0])
    changed = replace(track, layers=(replace(track.layers[0], sha256="0" * 64), track.layers[1]))
    with pytest.raises(LibraryError, match="the spec needs kick/0 with sha256 000000000000"):
        render_pair(spec_of([changed]), sounds)


def test_a_missing_sound_is_named(tiny: Library, sounds: Sounds) -> None:
    track = drum(tiny, "kick", [0])
    changed = replace(track, layers=(replace(track.layers[0], asset="kick/7", sha256="1" * 64),))
    with pytest.raises(LibraryError, match="no sound 'kick/7'"):
        render_pair(spec_of([changed]), sounds)


def test_a_mixture_that_is_not_finite_is_refused(tiny: Library, sounds: Sounds) -> None:
    absurd = tuple(Gain(gain_db=80.0) for _ in range(12))
    for spec in (spec_of([drum(tiny, "kick", [0], inserts=absurd)]), spec_of([drum(tiny, "kick", [0])], master=absurd)):
        with np.errstate(all="ignore"), pytest.raises(RecipeError, match="train-00000000 is too loud"):
            render_pair(spec, sounds)


def test_a_spec_without_tracks_gives_silence(sounds: Sounds) -> None:
    pair = render_pair(spec_of(), sounds)
    assert pair.mix.shape == (2, 4 * RATE)
    assert not pair.mix.any()
    assert pair.measured.mix.lufs == -120.0


def test_the_recorded_gain_is_the_applied_gain(tiny: Library, sounds: Sounds) -> None:
    spec = compose(load_recipe(find_recipe("rmod")), tiny, 0)
    pair = render_pair(spec, sounds)
    for track in spec.tracks:
        dry = _dry(track, spec, sounds)
        low, high, jitter = (getattr(track.inserts[0], name) for name in ("min_db", "max_db", "jitter_db"))
        expected = min(max(high - rms(dry) / 0.7 * (high - low) + jitter, low), high)
        assert pair.measured.tracks[track.kind].inserts_db[0] == pytest.approx(expected, abs=2e-3)
        assert len(pair.measured.tracks[track.kind].inserts_db) == len(track.inserts)


def test_sounds_of_another_rate_than_the_spec_are_refused(tiny: Library, sounds: Sounds) -> None:
    spec = quick(tiny, 0)
    other = replace(spec, settings=replace(spec.settings, sample_rate=8_000))
    with pytest.raises(ValueError, match="for a spec at 8000 Hz"):
        render_pair(other, sounds)
