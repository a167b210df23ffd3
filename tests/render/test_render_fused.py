"""Pairs of the fused engine: near to those of pedalboard, with equal targets, and no trace of their neighbours."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from rmod_pipeline.audio import Audio, from_pcm
from rmod_pipeline.effects import FUSED
from rmod_pipeline.effects.compressor import Compressor
from rmod_pipeline.effects.delay import Delay
from rmod_pipeline.effects.drive import Drive
from rmod_pipeline.effects.equalizer import Band, Equalizer
from rmod_pipeline.effects.gain import Gain
from rmod_pipeline.effects.limiter import Limiter
from rmod_pipeline.effects.pan import Pan
from rmod_pipeline.effects.reverb import Reverb
from rmod_pipeline.effects.transient import Transient
from rmod_pipeline.effects.width import Width
from rmod_pipeline.errors import RecipeError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.recipe import find_recipe, load_recipe
from rmod_pipeline.render import Pair, Sounds, render_pair, render_pairs
from rmod_pipeline.spec import PairSpec, Send
from tests.render.render_examples import compose, drum, loop, spec_of

FARTHEST_DB = -60.0
"""RMS of the difference relative to the mixture. Pedalboard differs as much from itself if its input changes by 1e-7,
because a compressor's attack or release may begin one frame later."""


def difference_db(found: Audio, expected: Audio) -> float:
    """Return the RMS of a difference relative to that of what is expected."""
    difference = found.astype(np.float64) - expected
    return float(20 * np.log10(max(np.sqrt(np.mean(difference**2)), 1e-15) / np.sqrt(np.mean(expected**2))))


def numbers_of(levels: Any, path: str = "") -> Iterator[tuple[str, float | None]]:
    """Yield every number of nested levels with its path."""
    if isinstance(levels, dict):
        for name, value in levels.items():
            yield from numbers_of(value, f"{path}/{name}")
    elif isinstance(levels, list):
        for index, value in enumerate(levels):
            yield from numbers_of(value, f"{path}/{index}")
    else:
        yield path, levels


def check_match(spec: PairSpec, sounds: Sounds) -> Pair:
    """Check that both engines agree about a pair, and return that of the fused engine."""
    expected, found = render_pair(spec, sounds), render_pair(spec.with_engine(FUSED), sounds)
    assert difference_db(from_pcm(found.mix), from_pcm(expected.mix)) < FARTHEST_DB
    assert found.targets.keys() == expected.targets.keys()
    assert all(np.array_equal(found.targets[kind], expected.targets[kind]) for kind in expected.targets)
    levels = dict(numbers_of(expected.measured.to_dict()))
    for path, value in numbers_of(found.measured.to_dict()):
        assert value == (None if levels[path] is None else pytest.approx(levels[path], abs=0.01)), path
    return found


@pytest.mark.parametrize("recipe", ["rmod", "rmod_wide", "rmod_drums_only"])
def test_a_pair_is_as_near_to_pedalboard_as_that_is_to_itself(recipe: str, tiny: Library, sounds: Sounds) -> None:
    loaded = load_recipe(find_recipe(recipe))
    for index in range(4):
        check_match(compose(loaded, tiny, index), sounds)


SOFT = Compressor(threshold_db=-40.0, ratio=4.0, attack_ms=5.0, release_ms=80.0)
BANDS = tuple(Band(shape="peak", hz=100.0 * 2**number, gain_db=3.0, q=1.0) for number in range(6))
ROOM = Send(name="reverb", level_db=-6.0, effects=(Reverb(room=0.5, damping=0.5, width=0.7), Width(width=1.5)))
ECHO = Send(name="delay", level_db=-9.0, effects=(Delay(seconds=0.25, feedback=0.4), Equalizer(bands=BANDS)))
TONE = Equalizer(bands=BANDS)
OWN = (SOFT, Drive(drive_db=6.0), Transient(attack_db=6.0, sustain_db=-3.0))
CUT = Equalizer(bands=(replace(BANDS[0], gain_db=-3.0),), match_rms=True)
LOUD = Equalizer(bands=(replace(BANDS[0], gain_db=12.0),))
CHAINS: dict[str, dict[str, Any]] = {
    "effects of their own amid fused ones": {"inserts": OWN},
    "stereo before mono effects": {"inserts": (Pan(position=0.2, law="linear"), SOFT, TONE, Width(width=0.4))},
    "several sends, one of them twice": {"inserts": (), "sends": (ROOM, ECHO, replace(ROOM, name="second"))},
    "matches": {"inserts": tuple(replace(effect, match_rms=True) for effect in (TONE, SOFT, Width(width=2.0)))},
    "matches in a send": {"inserts": (), "sends": (Send(name="loud", level_db=0.0, effects=(LOUD, CUT)),)},
    # Only one compressor: each of them magnifies what differs, in pedalboard alone as well.
    "fifty effects": {"inserts": (SOFT, Width(width=0.5), *((Equalizer(bands=BANDS[:1]), CUT) * 24))},
}


@pytest.mark.parametrize("name", CHAINS)
def test_any_chain_matches_pedalboard(name: str, tiny: Library, sounds: Sounds) -> None:
    drums = [replace(drum(tiny, kind, [0, 480, 960]), **CHAINS[name]) for kind in ("kick", "hihat")]
    loops = [loop(tiny, "piano", **CHAINS[name])]
    master = (Equalizer(bands=BANDS[:3]), Limiter(threshold_db=-6.0, release_ms=100.0))
    check_match(spec_of(drums, loops, master), sounds)


def test_silence_and_a_pair_without_tracks_stay_silent(tiny: Library, sounds: Sounds) -> None:
    silent = drum(tiny, "kick", [])
    for drums in ([replace(silent, inserts=(SOFT, Equalizer(bands=BANDS)), sends=(ROOM, ECHO))], []):
        assert not render_pair(spec_of(drums).with_engine(FUSED), sounds).mix.any()


def test_neighbours_change_no_bit(tiny: Library, sounds: Sounds) -> None:
    recipe = load_recipe(find_recipe("rmod_wide"))
    specs = [compose(recipe, tiny, index).with_engine(FUSED) for index in range(7)]
    alone = [render_pair(spec, sounds) for spec in specs]
    for together in (2, 3, 7):
        for order in (1, -1):
            pairs = []
            for start in range(0, len(specs), together):
                pairs += render_pairs(specs[start : start + together][::order], sounds)[::order]
            for one, other in zip(alone, pairs, strict=True):
                assert np.array_equal(one.mix, other.mix)
                assert one.measured == other.measured
                assert all(np.array_equal(one.tracks[kind], other.tracks[kind]) for kind in one.tracks)


def test_gains_beyond_float32_are_refused_as_by_pedalboard(tiny: Library, sounds: Sounds) -> None:
    spec = spec_of([drum(tiny, "kick", [0], inserts=(Gain(gain_db=800.0), Gain(gain_db=-800.0)))])
    for engine in ("pedalboard", FUSED):
        with pytest.raises(RecipeError, match="too loud"), np.errstate(all="ignore"):
            render_pair(spec.with_engine(engine), sounds)


def test_pairs_of_unequal_settings_are_not_rendered_together(tiny: Library, sounds: Sounds) -> None:
    one = spec_of([drum(tiny, "kick", [0])])
    with pytest.raises(ValueError, match="unequal settings"):
        render_pairs([one, one.with_engine(FUSED)], sounds)


def test_a_pair_is_named_before_it_is_prepared_and_before_it_is_measured(tiny: Library, sounds: Sounds) -> None:
    recipe = load_recipe(find_recipe("quick"))
    specs = [compose(recipe, tiny, index).with_engine(FUSED) for index in range(3)]
    named: list[str] = []
    render_pairs(specs, sounds, lambda spec: named.append(spec.key))
    assert named == [spec.key for spec in specs] * 2
