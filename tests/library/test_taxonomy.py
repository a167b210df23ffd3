"""The one table of kinds keeps its rules, and answers what scans, grooves and classifiers ask of it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import LibraryError
from rmod_pipeline.library.kinds.describe import describe_path
from rmod_pipeline.library.kinds.names import guess_kind
from rmod_pipeline.library.taxonomy import (
    CLASSES,
    ONE_SHOT_KINDS,
    aliases,
    class_of,
    kind_of,
    load_taxonomy,
    midi_kinds,
    parse_taxonomy,
    read_subkind,
    seven_class,
    subkinds_of,
)
from rmod_pipeline.storage.naming import is_name

SMALL = """
maps:
  pads: {description: Pads., channels: [10]}
classes:
  kick: {scan: one_shot, seven_class: kick, midi: {pads: [36]}, words: [kick, bass drum], strong: [kick], codes: [bd]}
  hihat:
    scan: one_shot
    words: [hat, chapéu]
    machine: [hats]
    weak_codes: [ch]
    subkinds:
      open: {kind: open_hihat, aliases: [openhat], midi: {pads: [46]}, words: [open hat], marks: [open]}
      closed: {midi: {pads: [42]}, marks: [closed]}
  other:
    scan: none
    members:
      gong: {midi: {pads: [60]}, words: [gong], nicknames: ["99"]}
      organ: {scan: loop, words: [organ]}
"""
CLASS_NAMES = st.sampled_from(CLASSES)


def test_the_classes_are_those_of_the_classifier() -> None:
    assert " ".join(CLASSES) == (
        "kick snare clap rim hihat tom cymbal cowbell tambourine shaker conga bongo clave percussion not_a_drum"
    )
    assert {name: subkinds_of(name) for name in CLASSES if subkinds_of(name)} == {
        "hihat": ("closed", "open", "pedal"),
        "tom": ("low", "mid", "high"),
        "cymbal": ("crash", "ride", "splash", "china"),
    }


def test_the_kinds_of_single_hits_are_those_that_a_scan_tells() -> None:
    assert (
        set(CLASSES) - {"percussion", "not_a_drum"} | {"open_hihat"}
        == ONE_SHOT_KINDS
        == {guess_kind(kind, codes=False) for kind in ONE_SHOT_KINDS}
    )


@given(CLASS_NAMES, st.data())
def test_a_kind_leads_back_to_its_class(class_name: str, data: st.DataObject) -> None:
    subkind = data.draw(st.sampled_from(("", *subkinds_of(class_name))))
    kind = kind_of(class_name, subkind)
    found = class_of(kind)
    assert is_name(kind) and found is not None and found[0] == class_name
    assert kind_of(*found) == kind
    if subkind:
        assert class_of(f"{class_name}_{subkind}") == class_of(f"{subkind}_{class_name}") == (class_name, subkind)


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("hihat", ("hihat", "")),
        ("open_hihat", ("hihat", "open")),
        ("openhat", ("hihat", "open")),
        ("ride", ("cymbal", "ride")),
        ("cymbal", ("cymbal", "")),
        ("tom_low", ("tom", "low")),
        ("percussion", ("percussion", "")),
        ("timbale", ("percussion", "")),
        ("djembe", ("percussion", "")),
        ("bass", ("not_a_drum", "")),
        ("vocal", ("not_a_drum", "")),
        ("sitar", None),
        ("", None),
    ],
)
def test_the_class_of_a_kind(kind: str, expected: tuple[str, str] | None) -> None:
    assert class_of(kind) == expected


def test_only_the_open_hihat_has_another_kind_than_its_class() -> None:
    pairs = [(name, subkind) for name in CLASSES for subkind in ("", *subkinds_of(name))]
    assert {pair: kind_of(*pair) for pair in pairs if kind_of(*pair) != pair[0]} == {("hihat", "open"): "open_hihat"}
    assert aliases() == {"openhat": "open_hihat"}
    assert {row.groove_kind for row in load_taxonomy().kinds if row.groove_kind != row.kind} == {"ride"}


@pytest.mark.parametrize(("class_name", "subkind"), [("drum", ""), ("hihat", "half"), ("", ""), ("timbale", "")])
def test_an_unknown_class_is_a_key_error(class_name: str, subkind: str) -> None:
    with pytest.raises(KeyError):
        kind_of(class_name, subkind)
    if class_name not in CLASSES:
        for ask in (subkinds_of, seven_class, lambda name: read_subkind(name, "x")):
            with pytest.raises(KeyError):
                ask(class_name)


def test_seven_classes_of_the_roadmap() -> None:
    found = {name: seven_class(name) for name in CLASSES if seven_class(name)}
    assert found.pop("hihat") == "hat"
    assert found == {name: name for name in ("kick", "snare", "clap", "tom", "cymbal", "cowbell")}


@pytest.mark.parametrize(
    ("class_name", "name", "subkind"),
    [
        ("hihat", "Hat Open 02", "open"),
        ("hihat", "OpHat3", "open"),
        ("hihat", "808 OH", "open"),
        ("hihat", "TR606 CHT", "closed"),
        ("hihat", "Hi-Hat Closed 1", "closed"),
        ("hihat", "クローズハイハット 3", "closed"),
        ("hihat", "HH Pedal", "pedal"),
        ("hihat", "charleston ouvert", "open"),
        ("hihat", "Hat OH 02", ""),  # the overhead microphone
        ("hihat", "HH OH 02", ""),
        ("hihat", "Open Closed Hats", ""),
        ("hihat", "Hat 7", ""),
        ("tom", "Floor Tom", "low"),
        ("tom", "High Floor Tom 2", "low"),
        ("tom", "Low-Mid Tom", "mid"),
        ("tom", "Hi Mid Tom", "mid"),
        ("tom", "TomHi", "high"),
        ("tom", "Rack Toms 1", "high"),
        ("tom", "Hängetom 1", "high"),
        ("tom", "909 LT 3", "low"),
        ("tom", "Tom MT", "mid"),
        ("tom", "Tom 3", ""),
        ("cymbal", "Crash 16", "crash"),
        ("cymbal", "CrashL", "crash"),
        ("cymbal", "Crashes/3", "crash"),
        ("cymbal", "RideBell v2", "ride"),
        ("cymbal", "CR 12", "crash"),
        ("cymbal", "Splash Cymbal", "splash"),
        ("cymbal", "china", "china"),
        ("cymbal", "Crash Ride", ""),
        ("cymbal", "Becken 2", ""),
        ("kick", "Open Kick", ""),
        ("percussion", "Low Perc", ""),
    ],
)
def test_a_name_tells_the_subkind(class_name: str, name: str, subkind: str) -> None:
    assert read_subkind(class_name, name) == subkind


@given(CLASS_NAMES, st.text())
def test_any_name_tells_a_subkind_or_none(class_name: str, name: str) -> None:
    assert read_subkind(class_name, name) in ("", *subkinds_of(class_name))


def test_every_phrase_of_a_subkind_tells_it() -> None:
    rows = [row for row in load_taxonomy().kinds if row.subkind]
    told = {(row.path, text): read_subkind(row.class_name, text) for row in rows for text in (*row.words, *row.marks)}
    assert {(path, text): found for (path, text), found in told.items() if not path.endswith(f"/{found}")} == {}


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("Kit/Bongo Hi.wav", "bongo"),
        ("Congas/Bongo 2.wav", "bongo"),
        ("Congas/Bongo + Snare 2.wav", "bongo"),
        ("ボンゴ/1.wav", "bongo"),
        ("Kit/BNG 1.wav", "bongo"),
        ("Kit/CNG 1.wav", "conga"),
        ("Kit/Conga.wav", "conga"),
        ("Kit/Claves.wav", "clave"),
        ("808/Clave 2.wav", "clave"),
        ("Clave/03.wav", "clave"),
        ("Kit/Conclave 2.wav", ""),
    ],
)
def test_bongos_and_claves_are_told_from_names(path: str, kind: str) -> None:
    assert describe_path(PurePosixPath(path)).kind == kind


def test_every_key_of_a_map_plays_one_row() -> None:
    keys = midi_kinds("general_midi")
    assert {keys[key].path for key in (42, 44, 46)} == {"hihat/closed", "hihat/open", "hihat/pedal"}
    assert (keys[51].kind, keys[51].groove_kind, keys[66].kind) == ("cymbal", "ride", "timbale")
    assert midi_kinds("roland_td")[52].path == "cymbal/crash" and keys[52].path == "cymbal/china"
    assert not midi_kinds("none")


def test_the_small_table_is_read() -> None:
    table = parse_taxonomy(SMALL, "small.yaml")
    assert [row.path for row in table.kinds] == [
        *("kick", "hihat", "hihat/open", "hihat/closed", "other", "other/gong", "other/organ"),
    ]
    assert [row.kind for row in table.kinds] == ["kick", "hihat", "open_hihat", "hihat", "other", "gong", "organ"]
    assert [row.scan for row in table.kinds] == [*["one_shot"] * 4, "none", "none", "loop"]
    assert [row.class_name for row in table.classes] == ["kick", "hihat", "other"]


@pytest.mark.parametrize(
    ("old", "new", "found"),
    [
        ("[42]", "[46]", "the pads key '46' is both hihat/open and hihat/closed"),
        ("[42]", "[142]", "classes.hihat.subkinds.closed.midi.pads.0: .* less than or equal to 127"),
        ("[42]", "[]", "classes.hihat.subkinds.closed.midi.pads: .* at least 1 item"),
        ("{pads: [42]}", "{keys: [42]}", "hihat/closed has keys of the map 'keys', which is not among the maps"),
        ("channels: [10]", "channels: [17]", "maps.pads.channels.0"),
        ("bass drum]", "hat]", "the phrase 'hat' is both kick and hihat"),
        ("bass drum]", "Chapeu]", "'Chapeu' is not in small letters"),
        ("bass drum]", "chapeu]", "the phrase 'chapeu' is both kick and hihat"),
        ("bass drum]", "'']", "classes.kick.words.1"),
        ("codes: [bd]", "codes: [ch]", "the abbreviation 'ch' is both kick and hihat"),
        ("codes: [bd]", "codes: [bd], nicknames: ['99']", "the nickname '99' is both kick and other/gong"),
        ("codes: [bd]", "kode: [bd]", "classes.kick.kode"),
        ("strong: [kick]", "strong: [club]", "the strong word 'club' is not among the words"),
        ("machine: [hats]", "machine: [hates]", "the word 'hates' of machines is not among the words"),
        ("seven_class: kick", "seven_class: drum", "classes.kick.seven_class"),
        ("marks: [closed]", "marks: [open]", "the mark 'open' is both open and closed"),
        ("aliases: [openhat]", "aliases: [kick]", "the kind 'kick' is both kick and hihat/open"),
        ("kind: open_hihat", "kind: gong", "the kind 'gong' is both hihat/open and other/gong"),
        ("kind: open_hihat", "kind: Open Hat", "classes.hihat.subkinds.open.kind"),
        ("      gong:", "      kick:", "the kind 'kick' is both kick and other/kick"),
        ("      gong:", "      organ:", "line 18: invalid YAML: the key 'organ' appears twice"),
        ("  hihat:\n", "  kick:\n", "line 6: invalid YAML: the key 'kick' appears twice"),
        ("scan: none", "scan: never", "classes.other.scan"),
        ("scan: none", "scans: none", "classes.other.scan: Field required"),
        ("classes:", "classes: [", "invalid YAML"),
        ("maps:", "", "invalid YAML|maps"),
    ],
)
def test_a_mistake_in_the_table_is_named(old: str, new: str, found: str) -> None:
    assert SMALL.count(old) == 1
    with pytest.raises(LibraryError, match=found) as caught:
        parse_taxonomy(SMALL.replace(old, new), "small.yaml")
    assert str(caught.value).startswith("small.yaml: ")


@pytest.mark.parametrize("text", ["", "[]", "kick", "maps: {}", "\0"])
def test_what_is_no_table_is_refused(text: str) -> None:
    with pytest.raises(LibraryError, match=r"small\.yaml"):
        parse_taxonomy(text, "small.yaml")


def test_help_does_not_wait_for_the_table() -> None:
    script = (
        "import sys, contextlib, io\n"
        "from rmod_pipeline.cli import app\n"
        "with contextlib.redirect_stdout(io.StringIO()), contextlib.suppress(SystemExit):\n"
        "    app(['--help'])\n"
        "print([name for name in sys.modules if name == 'yaml' or name.startswith('rmod_pipeline.library')])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
