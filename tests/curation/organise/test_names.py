"""Names that every system takes, keys of names that some system takes for one, patterns."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.organise.naming.pattern import DEFAULT_PATTERN, FIELDS, parse_pattern
from rmod_pipeline.curation.organise.naming.safe_names import (
    MAX_NAME_BYTES,
    name_key,
    path_key,
    safe_file_name,
    safe_name,
)
from rmod_pipeline.errors import UsageError
from tests.curation.organise.organise_helpers import NAMES, ODD_NAMES, SUFFIXES, sound

DEVICES = {"CON", "PRN", "AUX", "NUL", *(f"{name}{digit}" for name in ("COM", "LPT") for digit in range(1, 10))}


def check_legal(name: str) -> None:
    """Assert what Windows, macOS and Linux ask of a name."""
    assert name and name not in (".", "..")
    assert not set(name) & set('<>:"/\\|?*') and all(ord(character) >= 32 for character in name)
    assert name[-1] not in " ." and name[0] not in " ."
    assert name.partition(".")[0].strip().upper() not in DEVICES
    assert len(name.encode()) <= MAX_NAME_BYTES
    assert unicodedata.is_normalized("NFC", name)


@given(name=NAMES | st.text(max_size=400))
def test_every_system_takes_a_safe_folder_name(name: str) -> None:
    check_legal(safe_name(name))
    assert safe_name(safe_name(name)) == safe_name(name)


@given(stem=NAMES | st.text(max_size=400), suffix=SUFFIXES, number=st.integers(1, 10**6))
def test_every_system_takes_a_safe_file_name(stem: str, suffix: str, number: int) -> None:
    name = safe_file_name(stem, suffix, number)
    check_legal(name)
    if number > 1:
        assert name != safe_file_name(stem, suffix) and f"-{number}" in name


@given(stem=st.from_regex(r"[A-Za-z0-9][\w äé().,+&'!#-]{0,40}[A-Za-z0-9)]", fullmatch=True))
def test_a_name_that_every_system_takes_is_kept(stem: str) -> None:
    stem = unicodedata.normalize("NFC", stem)
    if stem.upper().partition(".")[0].strip() not in DEVICES and all(ord(character) >= 32 for character in stem):
        assert safe_file_name(stem, ".wav") == f"{stem}.wav"


@pytest.mark.parametrize(
    ("stem", "suffix", "name"),
    [
        ("CON", ".wav", "CON_.wav"),
        ("nul.tar", ".gz", "nul_.tar.gz"),
        ("con ", ".wav", "con_.wav"),
        ("console", ".wav", "console.wav"),
        ("a:b?*", ".wav", "a_b__.wav"),
        ("two\nlines", ".wav", "two_lines.wav"),
        (".hidden", ".wav", "_hidden.wav"),
        ("..", "", "_"),
        ("", ".wav", "_.wav"),
        ("dots...", ".wav", "dots.wav"),
        ("kick", ".wav ", "kick.wav"),
        ("e\u0301", ".wav", "é.wav"),
        ("Kick. The very best one of them all", ". and its suffix is no suffix at all, it goes on", "Kick. The very"),
    ],
)
def test_names_by_example(stem: str, suffix: str, name: str) -> None:
    made = safe_file_name(stem, suffix)
    assert made.startswith(name) and (len(suffix) > 10 or made == name)


def test_a_long_name_loses_the_end_of_its_stem_between_characters() -> None:
    name = safe_file_name("ü" * 300, ".wav", 12)
    assert name.endswith("ü-12.wav") and MAX_NAME_BYTES - 1 <= len(name.encode()) <= MAX_NAME_BYTES
    assert safe_file_name("x" * 250 + "  y" * 9, ".wav") == "x" * 250 + ".wav"


@pytest.mark.parametrize(
    ("first", "second"), [("Kick", "KICK"), ("é", "e\u0301"), ("ß", "SS"), ("k", "\u212a"), ("a\u200b", "A")]
)
def test_names_that_a_system_may_take_for_one_share_a_key(first: str, second: str) -> None:
    assert name_key(first) == name_key(second)


@given(name=NAMES)
def test_the_forms_of_a_name_share_its_key(name: str) -> None:
    key = name_key(name)
    for form in ("NFC", "NFD"):
        assert name_key(unicodedata.normalize(form, name)) == key
    assert name_key(name.casefold()) == name_key(name.upper()) == key


def test_the_key_of_a_path_keeps_its_folders_apart() -> None:
    assert path_key(["a", "B"]) == path_key(["A", "b"]) != path_key(["ab"])


@pytest.mark.parametrize(
    ("pattern", "folders", "name"),
    [
        (DEFAULT_PATTERN, ["kick", "dark-short"], "Kick 1"),
        ("{kind}-{subkind}-{length}/{name}", ["kick-short"], "Kick 1"),
        ("{kind} ({subkind}) {length}/x{kit}y", ["kick short"], "xAC/DCy"),
        ("{subkind} {kind}/{name} ({source})", ["kick"], "Kick 1"),
        ("{kit}/{source}/{licence}/{name}", ["AC_DC"], "Kick 1"),
        ("{subkind}", [], "Kick 1"),
        ("My Drums/{{x}}/{rate}-{channels}-{seconds}", ["My Drums", "{x}"], "44100-mono-0.20"),
    ],
)
def test_a_pattern_leaves_out_what_is_empty(pattern: str, folders: list[str], name: str) -> None:
    assert parse_pattern(pattern).render(sound("a/Kick 1.wav", kit="AC/DC")) == (folders, name)


def test_a_sound_without_a_kind_is_unknown() -> None:
    assert parse_pattern("{kind}/{name}").render(sound("1.wav", kind="")) == (["unknown"], "1")


@pytest.mark.parametrize(
    ("pattern", "found"),
    [
        ("", "is empty"),
        ("/a/{name}", "begins with /"),
        ("a//{name}", "without a name"),
        ("{kind}/", "without a name"),
        ("{kindd}/{name}", "{kindd} is no field (did you mean 'kind'?)"),
        ("{kind!r}", "{kind!r} is no field"),
        ("{seconds:.1f}", "{seconds:.1f} is no field"),
        ("{kind", "is not complete"),
        ("{}", "{} is no field"),
        ("../{name}", "is no name of a folder"),
        ("{name}/ . ", "is no name of a folder"),
    ],
)
def test_another_pattern_is_refused_with_all_fields(pattern: str, found: str) -> None:
    with pytest.raises(UsageError) as error:
        parse_pattern(pattern)
    assert found in error.value.found
    assert all(f"    {field} " in error.value.hint for field in FIELDS)


@given(name=NAMES, kit=NAMES | st.just(""), kind=st.sampled_from(["", "kick"]))
def test_every_pattern_of_fields_renders_legal_folders(name: str, kit: str, kind: str) -> None:
    folders, _ = parse_pattern("{kit}/{kind}{kit}/{name}").render(sound(f"x/{name}.wav", kit=kit, kind=kind))
    for folder in folders:
        check_legal(folder)


def test_odd_names_hold_every_kind_of_trouble() -> None:
    assert any(safe_name(name) != name for name in ODD_NAMES)
