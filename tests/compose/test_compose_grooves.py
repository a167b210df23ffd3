"""Pairs of a recipe with grooves play what a drummer played: the same times, velocities and chokes, of one split."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from fractions import Fraction
from functools import cache
from pathlib import Path

import miditoolkit
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from rmod_pipeline.compose import SplitAssets, list_silent_hits
from rmod_pipeline.compose.grooves import choke_notes, make_notes
from rmod_pipeline.draw import Draw
from rmod_pipeline.errors import AssetError, LibraryError, RecipeError, UsageError
from rmod_pipeline.patterns.manifest import load_grooves
from rmod_pipeline.patterns.windows import MOST_DRAWS, SplitGrooves
from rmod_pipeline.recipe import Recipe, parse_recipe
from rmod_pipeline.spec import Note, PairSpec
from tests.compose.compose_examples import COUNTS, LIBRARY, SPLITS, Composer, library_of, shipped_recipe
from tests.tiny_grooves import CLOSED, KICK, SNARE, TICKS, rock, shared_grooves, write_grooves, write_performance

indices, splits = st.integers(0, 10**8 - 1), st.sampled_from(SPLITS)
KEYS = {"kick": {36}, "snare": {38}, "hihat": {42}, "open_hihat": {46}, "tom": {45}}
FULL = library_of({**COUNTS, "openhat": 3, "tom": 4, "cymbal": 2, "clap": 1})


@cache
def composer() -> Composer:
    return Composer(shipped_recipe("rmod_grooves"), FULL)


@cache
def seconds_of(path: Path) -> Mapping[int, list[tuple[float, int]]]:
    """Return the time and velocity of every hit in a file by key, as miditoolkit reads them."""
    midi = miditoolkit.MidiFile(str(path))
    times = midi.get_tick_to_time_mapping()
    hits: dict[int, list[tuple[float, int]]] = {}
    for note in midi.instruments[0].notes:
        hits.setdefault(note.pitch, []).append((float(times[note.start]), note.velocity))
    return hits


def hits_of(spec: PairSpec, kind: str) -> list[tuple[float, int]]:
    """Return the hits of the performance in the window of a pair: frames after its beginning, and velocity."""
    assert spec.groove
    grooves, settings = shared_grooves(), spec.settings
    entry = next(entry for entry in grooves.entries if entry.performance == spec.groove.performance)
    hits = seconds_of(Path(str(grooves.path_of(entry))))
    played = sorted(hit for key in KEYS[kind] for hit in hits.get(key, ()))
    frames = [((time - spec.groove.start_seconds) * settings.sample_rate, velocity) for time, velocity in played]
    return [(at, velocity) for at, velocity in frames if -0.5 <= at < settings.frames - 0.5]


@given(indices, splits)
def test_onsets_are_within_a_frame_and_velocities_are_kept(index: int, split: str) -> None:
    spec = composer().at(index, split)
    drums = {drum.kind: drum for drum in spec.drums}
    for kind in KEYS:
        expected = hits_of(spec, kind)
        if not expected:
            assert kind not in drums
            continue
        notes = drums[kind].notes
        assert [note.velocity for note in notes] == [velocity for _, velocity in expected]
        for note, (at, _) in zip(notes, expected, strict=True):
            assert abs(spec.settings.onset(note.tick) - at) <= 0.51  # half a frame, and the digits of start_seconds


@given(indices, splits)
def test_a_pair_plays_a_performance_of_its_split_from_a_bar_on(index: int, split: str) -> None:
    spec = composer().at(index, split)
    assert spec.groove
    entry = next(each for each in shared_grooves().entries if each.performance == spec.groove.performance)
    assert (entry.split, entry.sha256, entry.drummer) == (split, spec.groove.sha256, spec.groove.drummer)
    bar_seconds = 4 * 60 / entry.tempo
    early = spec.groove.bar * bar_seconds - spec.groove.start_seconds
    assert -1e-3 <= early < 60 / entry.tempo / 8 + 1e-3
    assert {drum.kind for drum in spec.targets} == {"kick", "snare", "hihat"}
    assert all(drum.notes for drum in spec.drums)
    assert all(drum.target == (drum.kind in ("kick", "snare", "hihat")) for drum in spec.drums)


def test_drummers_and_performances_are_of_one_split() -> None:
    drummers: dict[str, str] = {}
    for split in SPLITS:
        for index in range(40):
            groove = composer().at(index, split).groove
            assert groove
            assert drummers.setdefault(groove.drummer, split) == split
    assert set(drummers.values()) == set(SPLITS)


@given(indices)
def test_a_hi_hat_is_choked_by_the_other(index: int) -> None:
    spec = composer().at(index)
    hats = [drum for drum in spec.drums if drum.kind in ("hihat", "open_hihat")]
    for drum in hats:
        others = [note.tick for other in hats if other is not drum for note in other.notes]
        own = [note.tick for note in drum.notes]
        for note in drum.notes:
            following = min((tick for tick in others if tick > note.tick), default=None)
            again = min((tick for tick in own if tick > note.tick), default=spec.settings.grid)
            assert note.end == (following if following is not None and following < again else None)
    assert not any(note.end for drum in spec.drums if drum not in hats for note in drum.notes)


notes_of = st.lists(st.integers(0, 50), max_size=12, unique=True).map(
    lambda ticks: tuple(Note(tick=tick, velocity=100) for tick in sorted(ticks))
)


GROUPS = (("hihat", "open_hihat"), ("open_hihat", "kick"))


@given(notes_of, notes_of, notes_of)
def test_choking_changes_ends_alone(closed: tuple[Note, ...], opened: tuple[Note, ...], kick: tuple[Note, ...]) -> None:
    notes = {"hihat": closed, "open_hihat": opened, "kick": kick}
    choked = choke_notes(notes, ("hihat", "open_hihat"))
    assert choked["kick"] == kick
    assert {kind: tuple(replace(note, end=None) for note in of_kind) for kind, of_kind in choked.items()} == notes
    assert choke_notes(notes, ("hihat", "kick_2")) == notes
    both_ways = [choke_notes(choke_notes(notes, one), two) for one, two in (GROUPS, GROUPS[::-1])]
    assert both_ways[0] == both_ways[1], "of two groups the first hit ends a note"


@given(st.integers(0, 10**12), st.integers(1, 10**9), st.lists(st.integers(0, 4 * 10**9), max_size=20))
def test_notes_are_at_the_nearest_point(start: int, units: int, offsets: list[int]) -> None:
    settings = composer().settings
    hits = [(start + offset % (4 * units), 1 + number) for number, offset in enumerate(offsets)]
    notes = make_notes(sorted(hits), start, units, settings)
    for time, _ in hits:
        exact = Fraction((time - start) * settings.sample_rate, units)
        nearest = int(exact + Fraction(1, 2))
        assert nearest == settings.grid or any(note.tick == nearest for note in notes)
    assert len({note.tick for note in notes}) == len(notes)


def test_drums_without_sounds_do_not_sound_and_are_named_once() -> None:
    recipe, grooves = shipped_recipe("rmod_grooves"), shared_grooves()
    (line,) = list_silent_hits(recipe, LIBRARY, SPLITS, grooves)
    assert line == ("the library has too few sounds of open_hihat, tom in train, valid, test: they do not sound there")
    assert not list(list_silent_hits(recipe, FULL, SPLITS, grooves))
    spec = Composer(recipe, LIBRARY).at(3)
    assert {drum.kind for drum in spec.drums} == {"kick", "snare", "hihat"}
    assert not any(note.end for drum in spec.drums for note in drum.notes), "what does not sound chokes nothing"
    fewer = recipe.model_copy(update={"drums": {kind: recipe.drums[kind] for kind in ("kick", "snare", "hihat")}})
    (unplayed,) = list_silent_hits(fewer, FULL, SPLITS, grooves)
    assert unplayed == "the recipe has no drum for the hits of open_hihat, tom: they do not sound"


def test_a_drum_plays_the_sounds_that_it_names() -> None:
    assets = composer().assets["train"].by_kind
    assert {asset.kind for asset in assets["open_hihat"]} == {"openhat"}
    assert {asset.kind for asset in assets["ride"]} == {"cymbal"}
    assert "clap" not in assets, "one sound is too few for two layers"


def grooves_of(folder: Path, *performances: list[tuple[int, int, int]]) -> SplitGrooves:
    from rmod_pipeline.patterns.scan import scan_grooves_to_manifest

    for number, hits in enumerate(performances):
        write_performance(folder / "midi" / f"{number}.mid", hits)
    scan_grooves_to_manifest(folder / "midi", folder / "grooves.csv", shares="100/0/0")
    return SplitGrooves(load_grooves(folder / "grooves.csv"), "train", Fraction(4), ("kick", "snare", "hihat"))


def test_another_performance_is_drawn_where_a_target_is_never_hit(tmp_path: Path) -> None:
    bar = 4 * TICKS
    # The snare is hit nine bars after the kick, so no window of two bars has both.
    apart = [(0, KICK, 90), (9 * bar, SNARE, 90), *((tick * bar, CLOSED, 80) for tick in range(10))]
    grooves = grooves_of(tmp_path, apart, rock(4))
    chosen = {grooves.choose(Draw.of(number)).entry.performance for number in range(30)}
    assert chosen == {"midi/1"}
    alone = grooves_of(tmp_path / "alone", apart)
    window = alone.choose(Draw.of(0))
    assert window.bar == 0, f"after {MOST_DRAWS} draws the first bar is taken"


def test_a_split_without_a_performance_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(LibraryError, match="train has no performance of 4 s or more with kick, snare, hihat"):
        grooves_of(tmp_path, rock(1))
    recipe = shipped_recipe("rmod_grooves")
    with pytest.raises(UsageError, match="the recipe rmod_grooves plays grooves and names none"):
        SplitAssets.of(recipe, FULL, "train")


def test_a_recipe_may_name_its_grooves(tmp_path: Path) -> None:
    manifest = write_grooves(tmp_path)
    named = parse_recipe(f"{{name: x, extends: rmod_grooves, patterns: {{manifest: {manifest}}}}}")
    assert SplitAssets.of(named, FULL, "train").grooves


@pytest.mark.parametrize("change", ["gone", "changed"])
def test_a_file_that_is_not_that_of_the_manifest_is_an_error(tmp_path: Path, change: str) -> None:
    grooves = load_grooves(write_grooves(tmp_path))
    split = SplitGrooves(grooves, "train", Fraction(4), ("kick",))
    for entry in grooves.entries:
        path = Path(str(grooves.path_of(entry)))
        path.unlink() if change == "gone" else path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(AssetError, match="cannot be read" if change == "gone" else "has changed since"):
        split.choose(Draw.of(0))


HUMANISED = """
name: humanised
grid: 4000
patterns: {source: random, steps: 16}
drums:
  kick: {hits: 8, velocity: 100, humanise: {timing_ms: {uniform: [-20, 30]}, velocity: {uniform: [-40, 40]}}}
  snare: {hits: 16, velocity: 3, humanise: {velocity: -5}}
"""


@cache
def humanised() -> tuple[Composer, Composer]:
    recipe = parse_recipe(HUMANISED)
    return Composer(recipe), Composer(_without_humanise(recipe))


@given(indices)
def test_hits_are_humanised_per_drum(index: int) -> None:
    spec, plain = (composer.at(index) for composer in humanised())
    for drum, other in zip(spec.drums, plain.drums, strict=True):
        assert len(drum.notes) == len(other.notes)
        assert all(note.tick % 250 == 0 and note.velocity in (100, 3) for note in other.notes)
    for note, other_note in zip(spec.drums[0].notes, plain.drums[0].notes, strict=True):
        assert -20 <= note.tick - other_note.tick <= 30 or note.tick == 0
        assert 60 <= note.velocity <= 127
    assert [note.tick for note in spec.drums[1].notes] == [note.tick for note in plain.drums[1].notes]
    assert {note.velocity for note in spec.drums[1].notes} == {1}
    assert spec.drums[0].layers == plain.drums[0].layers


def _without_humanise(recipe: Recipe) -> Recipe:
    drums = {kind: drum.model_copy(update={"humanise": None}) for kind, drum in recipe.drums.items()}
    return recipe.model_copy(update={"drums": drums})


@settings(max_examples=30)
@given(st.integers(0, 200), st.lists(st.integers(-200, 200), min_size=16, max_size=16))
def test_humanised_hits_keep_their_number_and_the_grid(index: int, shifts: list[int]) -> None:
    values = ", ".join(map(str, shifts))
    text = f"{{name: x, grid: 16, drums: {{kick: {{hits: 16, humanise: {{timing_ms: {{choice: [{values}]}}}}}}}}}}"
    notes = Composer(parse_recipe(text)).at(index).drums[0].notes
    assert [note.tick for note in notes] == list(range(16))


BAD = [
    ("grid: 88199", "line 1: grid: 88199 points are too coarse for grooves: write grid: 176400"),
    ("patterns: {source: groove}", "no such source of patterns"),
    ("patterns: {velocity_exponent: 0}", "patterns.velocity_exponent: more than 0 is needed"),
    ("patterns: {chokes: [[hihat]]}", "patterns.chokes.0: 2 or more items"),
    ("drums: {kick: {humanise: {velocity: 3}}}", "drums.kick.humanise: grooves keep the timing"),
    ("drums: {kick: {optional: true}}", "a target cannot be optional"),
    ("drums: {groove: {target: false}}", "the index names performances 'groove'"),
]


@pytest.mark.parametrize(("line", "found"), BAD)
def test_a_mistake_in_a_recipe_with_grooves_is_named(line: str, found: str) -> None:
    with pytest.raises(RecipeError, match=found):
        parse_recipe(f"{{name: x, extends: rmod_grooves, {line}}}")


def test_steps_must_fit() -> None:
    with pytest.raises(RecipeError, match=r"patterns.steps: 17 steps do not fit on a grid of 16 points"):
        parse_recipe("{name: x, grid: 16, patterns: {source: random, steps: 17}, drums: {kick: {}}}")
    with pytest.raises(RecipeError, match=r"drums.kick.hits: 4 hits do not fit on 3 steps"):
        parse_recipe("{name: x, patterns: {source: random, steps: 3}, drums: {kick: {}}}")
