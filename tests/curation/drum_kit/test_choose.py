"""A kit has good sounds that are not alike, and never two from one place, in any order of what is offered."""

from __future__ import annotations

from dataclasses import replace
from itertools import combinations
from random import Random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.drum_kit.choose import GOOD_MARGIN, LAYER_MARGIN, choose_layers, choose_sounds, likeness
from rmod_pipeline.curation.drum_kit.pads import PADS, Pad
from rmod_pipeline.curation.drum_kit.results import TunedCandidate
from tests.curation.drum_kit.kit_sounds import tuned

NAMES = ("kick", "snare", "hihat_closed", "rim", "tom_low")
Options = dict[str, list[TunedCandidate]]


@st.composite
def offers(draw: st.DrawFn) -> Options:
    """Return candidates of some pads at some places of a few files, several of which overlap."""
    options: Options = {}
    for pad in draw(st.lists(st.sampled_from(NAMES), min_size=1, unique=True)):
        places = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 5)), min_size=1, max_size=6, unique=True))
        options[pad] = [
            tuned(
                pad,
                sha256=f"{file}" * 64,
                start=1000 * at,
                frames=draw(st.integers(100, 2500)),
                score=draw(st.integers(-8, 0)),
                embedding=unit(draw(st.integers(0, 7))),
            )
            for file, at in places
        ]
    return options


def unit(angle: int) -> np.ndarray[tuple[int], np.dtype[np.float32]]:
    return np.array([np.cos(angle * np.pi / 7), np.sin(angle * np.pi / 7)], np.float32)


def pads_of(options: Options) -> list[Pad]:
    return [pad for name, pad in PADS.items() if name in options]


@given(offers(), st.sampled_from([None, 0, 1, 7]), st.integers(1, 3))
def test_no_two_sounds_share_a_moment_of_a_file(options: Options, seed: int | None, layers: int) -> None:
    chosen = choose_sounds(options, pads_of(options), seed)
    assert chosen, "where something is offered, something is chosen"
    sounds = [each for of_pad in choose_layers(options, chosen, layers).values() for each in of_pad]
    for first, second in combinations(sounds, 2):
        assert not first.place.overlaps(second.place)
    assert all(any(each is offer for offer in options[each.pad.name]) for each in sounds)
    assert all(len(of_pad) <= layers for of_pad in choose_layers(options, chosen, layers).values())


@given(offers(), st.sampled_from([None, 3]), st.randoms(use_true_random=False))
def test_the_order_of_what_is_offered_does_not_matter(options: Options, seed: int | None, random: Random) -> None:
    pads = pads_of(options)
    before = choose_sounds(options, pads, seed)
    shuffled = {
        name: random.sample(of_pad, len(of_pad)) for name, of_pad in random.sample([*options.items()], len(options))
    }
    after = choose_sounds(shuffled, pads, seed)
    assert {name: each.place for name, each in before.items()} == {name: each.place for name, each in after.items()}


def test_a_sound_goes_to_the_pad_that_has_no_other() -> None:
    """Greedy choice would give the kick the best sound, and leave the snare a bad one."""
    options = {
        "kick": [tuned("kick", score=-0.1, start=0), tuned("kick", score=-0.2, start=5000)],
        "snare": [tuned("snare", score=-0.4, start=0), tuned("snare", score=-6.0, start=5000)],
    }
    # Unlike each other, so that likeness does not decide.
    spread = {name: [with_angle(each, 4 * n) for n, each in enumerate(of_pad)] for name, of_pad in options.items()}
    chosen = choose_sounds(spread, [PADS["kick"], PADS["snare"]])
    assert (chosen["kick"].place.start, chosen["snare"].place.start) == (5000, 0)


def with_angle(candidate: TunedCandidate, angle: int) -> TunedCandidate:
    return replace(candidate, embedding=unit(angle))


def test_kick_snare_and_hihat_come_first_if_there_are_few_sounds() -> None:
    pads = [PADS[name] for name in ("kick", "snare", "rim", "hihat_closed", "crash")]
    options = {
        pad.name: [
            tuned(pad.name, start=5000 * at, score=-0.1 if pad.name in ("rim", "crash") else -9.0) for at in range(3)
        ]
        for pad in pads
    }
    assert set(choose_sounds(options, pads)) == {"kick", "snare", "hihat_closed"}


def test_of_two_good_sounds_the_one_that_is_unlike_the_other_pads_is_chosen() -> None:
    options = {
        "tom_low": [with_angle(tuned("tom_low", start=0, score=0.0), 0)],
        "tom_mid": [
            with_angle(tuned("tom_mid", start=5000, score=-0.1), 0),
            with_angle(tuned("tom_mid", start=10_000, score=-0.4), 4),
        ],
    }
    chosen = choose_sounds(options, [PADS["tom_low"], PADS["tom_mid"]])
    assert chosen["tom_mid"].place.start == 10_000


def test_a_kick_is_not_given_up_to_make_another_pad_less_like_it() -> None:
    options = {
        "kick": [
            with_angle(tuned("kick", start=0, score=-0.1), 0),
            with_angle(tuned("kick", start=5000, score=-1.3), 4),
        ],
        "tom_low": [with_angle(tuned("tom_low", start=10_000, score=-0.1), 0)],
    }
    assert choose_sounds(options, [PADS["kick"], PADS["tom_low"]])["kick"].place.start == 0


def test_a_seed_draws_among_good_candidates_only_and_always_the_same() -> None:
    scores = [0.0, -0.3, -0.6, -GOOD_MARGIN - 0.1, -5.0]
    options = {"kick": [tuned("kick", start=5000 * at, score=score) for at, score in enumerate(scores)]}
    pads = [PADS["kick"]]
    assert choose_sounds(options, pads)["kick"].place.start == 0
    drawn = [choose_sounds(options, pads, seed)["kick"].place.start // 5000 for seed in range(60)]
    assert set(drawn) == {0, 1, 2}
    assert drawn == [choose_sounds(options, pads, seed)["kick"].place.start // 5000 for seed in range(60)]
    assert drawn.count(0) > drawn.count(2), "better ones more often"


def test_layers_are_good_and_like_the_first_sound() -> None:
    options = {
        "snare": [
            with_angle(tuned("snare", start=0, score=0.0), 0),
            with_angle(tuned("snare", start=5000, score=-0.4), 5),
            with_angle(tuned("snare", start=10_000, score=-0.6), 1),
            with_angle(tuned("snare", start=15_000, score=-LAYER_MARGIN - 1), 0),
        ]
    }
    chosen = choose_sounds(options, [PADS["snare"]])
    starts = [each.place.start for each in choose_layers(options, chosen, 4)["snare"]]
    assert starts == [0, 10_000, 5000], "the likest one first, and none that is bad"


@given(st.integers(0, 7), st.integers(0, 7))
def test_likeness_is_symmetric_and_between_0_and_1(first: int, second: int) -> None:
    sounds = [with_angle(tuned("kick"), angle) for angle in (first, second)]
    assert likeness(sounds[0], sounds[1]) == likeness(sounds[1], sounds[0])
    assert 0 <= likeness(sounds[0], sounds[1]) <= 1
    assert likeness(sounds[0], sounds[0]) == pytest.approx(1.0, abs=1e-6)
