"""Maps from MIDI keys to kinds: those that come with rmod, and those of users."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from rmod_pipeline.errors import RecipeError, RmodError, UsageError
from rmod_pipeline.patterns.drum_maps import EXAMPLE, general_midi_keys, load_drum_map, map_names
from rmod_pipeline.recipe import resolve_recipe
from rmod_pipeline.shards.midi import keys_of_random_hits

MINE = """
name: my_kit
channels: [1, 10]
keys:
  kick: [36]
  snare: [40, 38]
"""


@pytest.mark.parametrize("name", map_names())
def test_a_shipped_map_knows_the_drums_of_a_kit(name: str) -> None:
    found = load_drum_map(name)
    assert found.name == name and found.description
    kinds = found.kinds_by_key()
    expected = {
        36: "kick",
        38: "snare",
        37: "rim",
        42: "hihat",
        44: "hihat",
        46: "open_hihat",
        49: "cymbal",
        51: "ride",
    }
    assert {key: kinds[key] for key in expected} == expected
    assert {kinds[key] for key in (41, 43, 45, 47, 48, 50)} == {"tom"}


def test_bongos_and_claves_are_kinds_of_their_own() -> None:
    kinds = load_drum_map("general_midi").kinds_by_key()
    assert [kinds[key] for key in (60, 61, 62, 63, 64, 75)] == ["bongo", "bongo", "conga", "conga", "conga", "clave"]
    assert [general_midi_keys()[kind] for kind in ("bongo", "conga", "clave")] == [60, 63, 75]


def test_the_content_of_the_map_of_roland_stays() -> None:
    # It is part of the digest of grooves, order included: a change would keep builds from being resumed.
    keys = {
        "kick": [36, 35],
        "snare": [38, 40],
        "rim": [37],
        "clap": [39],
        "hihat": [42, 22, 44],
        "open_hihat": [46, 26],
        "tom": [45, 41, 43, 47, 48, 50, 58],
        "cymbal": [49, 52, 55, 57],
        "ride": [51, 53, 59],
        "tambourine": [54],
        "cowbell": [56],
    }
    content = load_drum_map("roland_td").model_dump(mode="json", exclude={"description"})
    assert json.dumps(content) == json.dumps({"name": "roland_td", "channels": [10], "keys": keys})


def test_the_example_is_a_map_of_a_user() -> None:
    assert load_drum_map(EXAMPLE).name not in map_names()


def test_roland_has_the_edges_of_the_hi_hat() -> None:
    roland, general = load_drum_map("roland_td").kinds_by_key(), load_drum_map("general_midi").kinds_by_key()
    assert (roland[22], roland[26], roland[58]) == ("hihat", "open_hihat", "tom")
    assert 22 not in general and 26 not in general and general[58] == "vibraslap"


def test_a_kind_is_written_as_the_key_that_random_hits_have() -> None:
    written, random = general_midi_keys(), keys_of_random_hits()
    assert {kind: key for kind, key in random.items() if kind in written} == {
        kind: written[kind] for kind in random if kind in written
    }
    assert set(random) - set(written) == {"openhat"}
    # The bytes of the MIDI files of random hits are a promise.
    keys = {"kick": 36, "snare": 38, "clap": 39, "hihat": 42, "tom": 45, "openhat": 46, "cymbal": 49, "cowbell": 56}
    assert random == keys


def test_every_drum_of_the_recipe_has_a_key() -> None:
    assert set(resolve_recipe("rmod_grooves").drums) <= set(general_midi_keys())


def test_a_user_writes_a_map(tmp_path: Path) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE)
    found = load_drum_map(path)
    assert found.channels == (1, 10)
    assert found.kinds_by_key() == {36: "kick", 40: "snare", 38: "snare"}


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("[40, 38]", "[40, 36]", "line 6: keys.snare: key 36 is both kick and snare"),
        ("[36]", "[136]", "line 5: keys.kick.0: 127 or less is needed here, found 136"),
        ("[36]", "[]", "line 5: keys.kick: 1 or more items are needed here"),
        ("kick:", "Kick Drum:", "is not a valid name"),
        ("[1, 10]", "[0]", "line 3: channels.0: 1 or more is needed here"),
        ("channels:", "chanels:", r"line 3: unknown key 'chanels' \(did you mean 'channels'\?\)|chanels: unknown key"),
        ("name: my_kit", "", "the key 'name' is missing"),
    ],
)
def test_a_mistake_in_a_map_is_named_with_its_line(tmp_path: Path, old: str, new: str, found: str) -> None:
    path = tmp_path / "mine.yaml"
    path.write_text(MINE.replace(old, new))
    with pytest.raises(RecipeError, match=found):
        load_drum_map(path)


def test_a_name_is_no_map_and_a_shipped_name_is_taken(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"no map 'roland' .*did you mean 'roland_td'"):
        load_drum_map("roland")
    with pytest.raises(UsageError, match="no such file"):
        load_drum_map(tmp_path / "none.yaml")
    (tmp_path / "mine.yaml").write_text(MINE.replace("my_kit", "general_midi"))
    with pytest.raises(UsageError, match="has the name of a map that comes with rmod"):
        load_drum_map(tmp_path / "mine.yaml")
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(RmodError):
        load_drum_map(tmp_path / "bytes.yaml")
