"""Every pad has a place in the taxonomy and in General MIDI, and users name pads in the ways that rmod has."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.drum_kit.pads import ESSENTIAL, PADS, STANDARD, assign_keys, find_pad, parse_pads
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.taxonomy import CLASSES, class_of, midi_kinds, subkinds_of

subsets = st.lists(st.sampled_from(list(PADS)), min_size=1, unique=True)


def test_pads_are_classes_of_the_taxonomy() -> None:
    for name, pad in PADS.items():
        assert pad.name == name and pad.kind in CLASSES
        assert pad.subkind in ("", *subkinds_of(pad.kind))
        assert class_of(pad.library_kind) in ((pad.kind, pad.subkind), (pad.kind, ""))
    assert PADS["hihat_open"].library_kind == "open_hihat" and PADS["ride"].library_kind == "cymbal"


def test_no_two_pads_have_one_key_and_each_is_that_of_general_midi() -> None:
    keys = [pad.key for pad in PADS.values()]
    assert len(set(keys)) == len(keys)
    assert {name: PADS[name].key for name in ("kick", "snare", "hihat_closed", "hihat_open", "crash", "ride")} == {
        "kick": 36, "snare": 38, "hihat_closed": 42, "hihat_open": 46, "crash": 49, "ride": 51,
    }  # fmt: skip


@given(subsets)
def test_a_pad_plays_its_own_keys_whatever_else_is_in_the_kit(names: list[str]) -> None:
    pads = [PADS[name] for name in names]
    assigned = assign_keys(pads)
    assert set(assigned.values()) == set(pads)
    for key, pad in assigned.items():
        row = midi_kinds("general_midi")[key]
        assert pad.kind == row.class_name, "a key never plays another class"
        own = next((each for each in pads if each.subkind == row.subkind and each.kind == pad.kind), None)
        assert own in (None, pad), "a pad of the key's own subclass plays it"


@given(subsets)
def test_names_of_pads_are_read_in_any_order_and_case(names: list[str]) -> None:
    expected = tuple(pad for pad in PADS.values() if pad.name in names)
    assert parse_pads(",".join(names)) == expected
    assert parse_pads(" , ".join(name.upper() for name in reversed(names)) + ",") == expected


def test_names_of_classes_and_kinds() -> None:
    def named(text: str) -> list[str]:
        return [pad.name for pad in parse_pads(text)]

    assert named("") == [name for name in PADS if name in STANDARD]
    assert named("hihat") == ["hihat_closed", "hihat_open"]
    assert named("open_hihat") == named("hihat/open") == named("openhat") == ["hihat_open"]
    assert named("tom") == ["tom_low", "tom_mid", "tom_high"]
    assert named("cymbal") == ["crash", "ride"] and named("cymbal/china") == ["china"]
    assert named("low_tom") == ["tom_low"] and named("bongo") == ["bongo"]


@pytest.mark.parametrize("text", ["kik", "kick,,bass", "percussion", "not_a_drum", "tom/huge"])
def test_a_name_of_no_pad_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no pad is called") as error:
        parse_pads(text)
    assert "choose from kick" in error.value.hint


def test_a_kit_without_a_subclass_plays_the_first_of_the_class() -> None:
    pads = parse_pads("")
    assert find_pad(pads, "hihat", "pedal") == PADS["hihat_closed"]
    assert find_pad(pads, "cymbal", "splash") == PADS["crash"]
    assert find_pad(pads, "conga") is None
    assert {pad.kind for pad in pads} >= set(ESSENTIAL)
