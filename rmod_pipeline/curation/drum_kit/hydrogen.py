"""Write a kit for Hydrogen, the drum machine: the file ``drumkit.xml`` of its format 1.2.

The elements and their order are those that the schema of Hydrogen 1.2 demands (data/xsd/drumkit.xsd). Later versions
convert such a kit when they open it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from xml.etree import ElementTree as ET

from rmod_pipeline.curation.drum_kit.pads import Pad
from rmod_pipeline.curation.drum_kit.results import DrumKit, PadSound

FILE = "drumkit.xml"
NAMESPACE = "http://www.hydrogen-music.org/drumkit"
NO_LICENCE = "undefined license"
"""How Hydrogen says that the licence is unknown."""
RELEASE_MS = 1000

# XML 1.0 has no place for these characters, in no form. File names may have them.
_NOT_XML = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")


def encode_hydrogen(kit: DrumKit) -> bytes:
    """Return the bytes of ``drumkit.xml``; equal kits give equal bytes."""
    root = ET.Element("drumkit_info", {"xmlns": NAMESPACE})
    _add(
        root,
        {
            "name": kit.name,
            "author": kit.author or "unknown",
            "info": _describe_sources(kit),
            "license": kit.licence or NO_LICENCE,
            "image": "",
            "imageLicense": NO_LICENCE,
        },
    )
    component = ET.SubElement(ET.SubElement(root, "componentList"), "drumkitComponent")
    _add(component, {"id": "0", "name": "Main", "volume": "1"})
    instruments = ET.SubElement(root, "instrumentList")
    for number, pad in enumerate(kit.played):
        _add_instrument(instruments, number, pad, kit)
    ET.indent(root, " ")
    text: bytes = ET.tostring(root, encoding="UTF-8", xml_declaration=True)
    return text + b"\n"


def _add_instrument(parent: ET.Element, number: int, pad: Pad, kit: DrumKit) -> None:
    instrument = ET.SubElement(parent, "instrument")
    _add(
        instrument,
        {
            "id": str(number),
            "name": pad.title,
            "volume": "1",
            "isMuted": "false",
            "isSoloed": "false",
            "pan": "0",
            "pitchOffset": "0",
            "randomPitchFactor": "0",
            "gain": "1",
            "applyVelocity": "true",
            "filterActive": "false",
            "filterCutoff": "1",
            "filterResonance": "0",
            "Attack": "0",
            "Decay": "0",
            "Sustain": "1",
            "Release": str(RELEASE_MS),
            "muteGroup": str(pad.choke_group or -1),
            "midiOutChannel": "-1",
            "midiOutNote": str(pad.key),
            "isStopNote": "false",
            "sampleSelectionAlgo": "ROUND_ROBIN" if kit.round_robin else "VELOCITY",
            "isHihat": "-1",
            "lower_cc": "0",
            "higher_cc": "127",
            **dict.fromkeys(("FX1Level", "FX2Level", "FX3Level", "FX4Level"), "0"),
        },
    )
    component = ET.SubElement(instrument, "instrumentComponent")
    _add(component, {"component_id": "0", "gain": "1"})
    for sound in sorted(kit.sounds_of(pad), key=lambda sound: sound.low_velocity):
        _add_layer(component, sound)


def _add_layer(parent: ET.Element, sound: PadSound) -> None:
    """Add a layer. Hydrogen's velocities are 0..1, and a layer begins where the one before ends."""
    low = 0.0 if sound.low_velocity == 1 else (sound.low_velocity - 1) / 127
    layer = ET.SubElement(parent, "layer")
    _add(
        layer,
        {
            "filename": sound.file,
            "min": f"{low:.6g}",
            "max": f"{sound.high_velocity / 127:.6g}",
            "gain": "1",
            "pitch": "0",
        },
    )


def _describe_sources(kit: DrumKit) -> str:
    """Return a line per sound: its file, licence and origin, as licences demand it."""
    lines = ["Made of sounds that are no drums."]
    for sound in kit.sounds:
        parts = (sound.candidate.place.source, sound.licence or "unknown licence", sound.credit)
        lines.append(f"{sound.file}: {', '.join(filter(None, parts))}")
    return "\n".join(lines)


def _add(parent: ET.Element, texts: Mapping[str, str]) -> None:
    """Add elements that hold text, in their order."""
    for name, text in texts.items():
        ET.SubElement(parent, name).text = _NOT_XML.sub("?", text)
