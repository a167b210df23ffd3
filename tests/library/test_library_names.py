"""Guesses from names: first the nearest folder named after a kind, then the file, then words in other folders."""

from __future__ import annotations

from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.kinds.describe import describe_path
from rmod_pipeline.library.licence_names import parse_licence


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Kicks/one.wav", "kick"),
        ("kick.wav", "kick"),
        ("Pack A/Kick Drums/01.wav", "kick"),
        ("Pack A/02 Closed Hats/01.wav", "hihat"),
        ("TR-808/BD0000.wav", "kick"),
        ("TR-808/SD7550.wav", "snare"),
        ("TR-808/CowBell.wav", "cowbell"),
        ("TR-808/x.wav", ""),
        ("808s/long.wav", "kick"),
        ("808 Bass Pack/Kicks/a.wav", "kick"),
        ("kit/Bass Drum 1.wav", "kick"),
        ("kit/bassdrum_hard.wav", "kick"),
        ("kit/ClosedHat01.wav", "hihat"),
        ("kit/OpenHH.wav", "open_hihat"),
        ("kit/hihat_open_3.wav", "open_hihat"),
        ("kit/CHH2.wav", "hihat"),
        ("kit/Crash 16.aif", "cymbal"),
        ("kit/floor tom.wav", "tom"),
        ("kit/HandClap.wav", "clap"),
        ("loops/bass_120bpm.wav", "bass"),
        ("loops/bass guitar.wav", "bass"),
        ("keys/a.wav", "piano"),
        ("E-Piano/a.wav", "piano"),
        ("gtr/a.wav", "guitar"),
        ("vox/ahh.wav", "vocal"),
        ("Piano House Drums/kick 01.wav", "kick"),
        ("Big Room Kicks Vol. 2/17.wav", "kick"),
        ("x/kick snare.wav", ""),
        ("kick and snare/hit.wav", ""),
        ("x/sidekick.wav", ""),
        ("a/b/c.wav", ""),
        ("", ""),
    ],
)
def test_kind(path: str, kind: str) -> None:
    assert describe_path(PurePosixPath(path)).kind == kind


@pytest.mark.parametrize(
    ("path", "kit", "licence", "source"),
    [
        ("kick/a.wav", "", "", ""),
        ("Garden/kick/a.wav", "Garden", "", "Garden"),
        ("kick/Garden/a.wav", "Garden", "", "Garden"),
        ("Packs/Garden/Kicks/One Shots/a.wav", "Garden", "", "Packs"),
        ("Garden CC-BY-4.0/kick/a.wav", "Garden CC-BY-4.0", "CC-BY-4.0", "Garden CC-BY-4.0"),
        ("pack cc by-nc-sa 3.0/a.wav", "pack cc by-nc-sa 3.0", "CC-BY-NC-SA-3.0", "pack cc by-nc-sa 3.0"),
        ("CC0/kick/a.wav", "CC0", "CC0-1.0", "CC0"),
        ("kick/86335__zgump__tom-0105.flac", "", "", "freesound:86335 by zgump"),
    ],
)
def test_kit_licence_and_source(path: str, kit: str, licence: str, source: str) -> None:
    description = describe_path(PurePosixPath(path))
    assert (description.kit, description.licence, description.source) == (kit, licence, source)


@given(st.text())
def test_any_name_can_be_described(name: str) -> None:
    describe_path(PurePosixPath(name))


@pytest.mark.parametrize("licence", ["", "MIT", "CC-BY-4.0", "LicenseRef-mine", "MIT OR (Apache-2.0 AND CC0-1.0)"])
def test_valid_licences(licence: str) -> None:
    assert parse_licence(licence) == licence


def test_an_invalid_licence_is_refused() -> None:
    with pytest.raises(UsageError, match="SPDX"):
        parse_licence("free, I think")
