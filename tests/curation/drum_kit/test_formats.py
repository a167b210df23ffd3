"""Hydrogen and samplers can read a kit: elements in order, every file there, every velocity covered, hats choked."""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import replace
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.drum_kit.hydrogen import NAMESPACE, encode_hydrogen
from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import DrumKit
from rmod_pipeline.curation.drum_kit.sfz import encode_sfz
from tests.curation.drum_kit.kit_sounds import make_kit_of

kits = st.builds(
    make_kit_of,
    st.dictionaries(st.sampled_from(list(PADS)), st.integers(1, 8), min_size=1),
    round_robin=st.booleans(),
    name=st.text(min_size=1, max_size=20),
    licence=st.sampled_from(["", "CC0-1.0", "CC-BY-4.0 OR MIT"]),
)

# What the public schema of Hydrogen 1.2 demands, in this order.
KIT = "name author info license image imageLicense componentList instrumentList"
INSTRUMENT = (
    "id name volume isMuted isSoloed pan pitchOffset randomPitchFactor gain applyVelocity filterActive filterCutoff "
    "filterResonance Attack Decay Sustain Release muteGroup midiOutChannel midiOutNote isStopNote sampleSelectionAlgo "
    "isHihat lower_cc higher_cc FX1Level FX2Level FX3Level FX4Level instrumentComponent"
)
LAYER = "filename min max gain pitch"


def tags(element: ET.Element) -> list[str]:
    return [child.tag.removeprefix(f"{{{NAMESPACE}}}") for child in element]


def text(element: ET.Element, name: str) -> str:
    found = element.find(f"{{{NAMESPACE}}}{name}")
    assert found is not None
    return found.text or ""


def children(element: ET.Element, name: str) -> list[ET.Element]:
    return element.findall(f".//{{{NAMESPACE}}}{name}")


@given(kits)
def test_a_hydrogen_kit_has_the_elements_of_the_schema_in_order(kit: DrumKit) -> None:
    root = ET.fromstring(encode_hydrogen(kit))
    assert root.tag == f"{{{NAMESPACE}}}drumkit_info" and tags(root) == KIT.split()
    components = children(root, "drumkitComponent")
    assert [tags(each) for each in components] == [["id", "name", "volume"]]
    instruments = children(root, "instrument")
    assert [text(each, "id") for each in instruments] == [str(number) for number in range(len(kit.played))]
    for instrument, pad in zip(instruments, kit.played, strict=True):
        assert tags(instrument) == INSTRUMENT.split()
        assert int(text(instrument, "midiOutNote")) == pad.key
        assert int(text(instrument, "muteGroup")) == (1 if pad.kind == "hihat" else -1)
        for name in ("isMuted", "isSoloed", "applyVelocity", "filterActive", "isStopNote"):
            assert text(instrument, name) in ("true", "false")
        (component,) = children(instrument, "instrumentComponent")
        layers = children(component, "layer")
        assert tags(component) == ["component_id", "gain", *["layer"] * len(layers)]
        assert text(component, "component_id") == text(components[0], "id")
        assert {text(layer, "filename") for layer in layers} == {sound.file for sound in kit.sounds_of(pad)}
        assert all(tags(layer) == LAYER.split() for layer in layers)


@given(kits)
def test_layers_of_hydrogen_cover_all_velocities(kit: DrumKit) -> None:
    for instrument in children(ET.fromstring(encode_hydrogen(kit)), "instrument"):
        ranges = [(float(text(layer, "min")), float(text(layer, "max"))) for layer in children(instrument, "layer")]
        for velocity in range(1, 128):
            playing = [low <= velocity / 127 <= high for low, high in ranges]
            assert any(playing)
            assert kit.round_robin or sum(playing) <= 2, "at the border of two layers both match, as in Hydrogen's kits"
        assert text(instrument, "sampleSelectionAlgo") == ("ROUND_ROBIN" if kit.round_robin else "VELOCITY")


def parse_sfz(content: bytes) -> list[dict[str, str]]:
    """Return the opcodes of every region, with those of the headers above it."""
    inherited: dict[str, dict[str, str]] = {"global": {}, "group": {}}
    regions = []
    for line in content.decode().splitlines():
        if line.startswith("//") or not line:
            continue
        match = re.fullmatch(r"<(\w+)>(.*)", line)
        assert match, line
        opcodes = dict(pair.split("=", 1) for pair in match[2].split())
        if match[1] == "region":
            regions.append({**inherited["global"], **inherited["group"], **opcodes})
        else:
            inherited[match[1]] = opcodes
    return regions


@given(kits)
def test_regions_refer_to_files_and_cover_every_velocity_once(kit: DrumKit) -> None:
    regions = parse_sfz(encode_sfz(kit))
    assert {region["sample"] for region in regions} == {sound.file for sound in kit.sounds}
    by_key = defaultdict(list)
    for region in regions:
        by_key[int(region["key"])].append(region)
    assert {pad.key for pad in kit.played} <= by_key.keys()
    for of_key in by_key.values():
        for velocity in range(1, 128):
            playing = [each for each in of_key if int(each["lovel"]) <= velocity <= int(each["hivel"])]
            if kit.round_robin:
                positions = sorted(int(each.get("seq_position", 1)) for each in playing)
                assert positions == list(range(1, int(playing[0].get("seq_length", 1)) + 1))
            else:
                assert len(playing) == 1


@given(kits)
def test_every_hihat_ends_every_hihat_and_nothing_else(kit: DrumKit) -> None:
    hats = {sound.file for sound in kit.sounds if sound.pad.kind == "hihat"}
    for region in parse_sfz(encode_sfz(kit)):
        is_hat = region["sample"] in hats
        assert (region.get("group"), region.get("off_by")) == (("1", "1") if is_hat else (None, None))
        assert region["loop_mode"] == "one_shot"


@given(kits)
def test_equal_kits_have_equal_files(kit: DrumKit) -> None:
    assert encode_hydrogen(kit) == encode_hydrogen(kit)
    assert encode_sfz(kit) == encode_sfz(kit)


@pytest.mark.parametrize(
    ("licences", "expected"),
    [
        (["CC0-1.0", "CC0-1.0"], "CC0-1.0"),
        (["CC0-1.0", "CC-BY-4.0"], "CC-BY-4.0 AND CC0-1.0"),
        (["CC0-1.0", ""], ""),
        (["MIT OR CC0-1.0", "CC-BY-4.0"], "CC-BY-4.0 AND (MIT OR CC0-1.0)"),
        (["MIT OR CC0-1.0"], "MIT OR CC0-1.0"),
    ],
)
def test_the_licence_of_a_kit_is_that_of_all_its_sounds(licences: list[str], expected: str) -> None:
    kit = make_kit_of(dict(zip(PADS, [1] * len(licences), strict=False)))
    sounds = tuple(replace(sound, licence=each) for sound, each in zip(kit.sounds, licences, strict=True))
    made = replace(kit, sounds=sounds)
    assert made.licence == expected
    assert text(ET.fromstring(encode_hydrogen(made)), "license") == (expected or "undefined license")
