"""Licences of a release: what has to be allowed by name, what contradicts, what goes into the papers."""

from __future__ import annotations

import csv
import io
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.licence_names import parse_licence
from rmod_pipeline.library.licences import LicenceClass, terms_of
from rmod_pipeline.library.licences.expressions import UNKNOWN_LICENCE
from rmod_pipeline.library.licences.terms import TABLE
from rmod_pipeline.releases.folder.papers import ATTRIBUTION_COLUMNS, attribution_csv
from rmod_pipeline.releases.licensing.compatibility import find_contradictions, may_become
from rmod_pipeline.releases.licensing.gate import check_licences
from rmod_pipeline.releases.licensing.sounds import AttributedSound, SelectedPairs, attribute
from rmod_pipeline.releases.licensing.texts import LARGEST_TEXT_BYTES, licence_texts

OUT = Path("OUT")


def sound(file: str, licence: str, **changes: str) -> AttributedSound:
    values = {"kind": "kick", "creator": "", "source": "somewhere", "sha256": file.ljust(64, "0")}
    return AttributedSound(file=file, licence=licence, **{**values, **changes})


def selected(*sounds: AttributedSound) -> SelectedPairs:
    """Return a single pair of these sounds."""
    licences = frozenset(each.licence for each in sounds)
    return SelectedPairs(
        keys=None, pairs={"train": 1}, sounds=sounds, mixtures={licences: "train-00000000"}, licences=licences
    )


def test_each_file_that_needs_permission_is_named_and_no_other() -> None:
    sounds = [sound("free", "CC0-1.0"), sound("credit", "CC-BY-4.0"), sound("gpl", "GPL-2.0-only")]
    sounds += [sound("gpl-too", "GPL-2.0-only"), sound("mystery", ""), sound("fixed", "CC-BY-ND-4.0")]
    with pytest.raises(UsageError) as caught:
        check_licences(OUT, selected(*sounds), (), LicenceClass.ANY)
    named = {line.strip() for line in caught.value.found.splitlines() if line.startswith("    ")}
    assert named == {"gpl", "gpl-too", "mystery", "fixed"}
    assert caught.value.hint.endswith("--allow-licence: unknown, CC-BY-ND-4.0, GPL-2.0-only")
    assert "no legal advice" in caught.value.hint


def test_each_copyleft_and_unknown_file_of_a_real_library_is_named(real_library_folder: Path) -> None:
    """Until its licence is allowed by name, one licence after the other."""
    with (real_library_folder / "library.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    licences = [parse_licence(row["licence"]) for row in rows]
    sounds = selected(*(sound(row["path"], licence) for row, licence in zip(rows, licences, strict=True)))
    asking = {licence for licence in licences if not licence or licence.startswith(("GPL", "CC-BY-SA", "LicenseRef"))}
    assert len(asking) >= 6
    allowed: list[str] = []
    for licence in sorted(asking):
        with pytest.raises(UsageError) as caught:
            check_licences(OUT, sounds, allowed, LicenceClass.ANY)
        named = {line.strip() for line in caught.value.found.splitlines() if line.startswith("    ")}
        left = asking - set(allowed)
        assert named == {row["path"] for row, own in zip(rows, licences, strict=True) if own in left}
        allowed.append(licence)
    check_licences(OUT, sounds, allowed, LicenceClass.ANY)


def test_what_is_allowed_by_name_passes() -> None:
    sounds = selected(sound("a", "CC0-1.0"), sound("b", "GPL-2.0-only"), sound("c", ""))
    check_licences(OUT, sounds, ("GPL-2.0-only", "unknown"), LicenceClass.ANY)
    with pytest.raises(UsageError, match=r"unknown:\n    c"):
        check_licences(OUT, sounds, ("GPL-2.0-only",), LicenceClass.ANY)


def test_a_cut_to_share_alike_accepts_share_alike_and_nothing_more() -> None:
    check_licences(OUT, selected(sound("a", "CC-BY-SA-4.0")), (), LicenceClass.SHARE_ALIKE)
    with pytest.raises(UsageError, match=r"CC-BY-NC-4\.0"):
        check_licences(OUT, selected(sound("a", "CC-BY-NC-4.0")), (), LicenceClass.SHARE_ALIKE)


def test_a_sound_that_asks_for_credit_needs_somebody_to_credit() -> None:
    sounds = selected(
        sound("credited", "CC-BY-4.0"),
        sound("nobody", "CC-BY-4.0", source=" "),
        sound("nobody-shared", "GPL-2.0-only", source=""),
        sound("free", "CC0-1.0", source=""),
        sound("noticed", "MIT OR CC-BY-4.0", source=""),
    )
    with pytest.raises(UsageError) as caught:
        check_licences(OUT, sounds, ("GPL-2.0-only",), LicenceClass.ANY)
    assert caught.value.found.splitlines()[1:] == ["  nobody (CC-BY-4.0)", "  nobody-shared (GPL-2.0-only)"]
    assert "fill the column source" in caught.value.hint


def test_a_name_that_no_sound_has_is_a_slip() -> None:
    with pytest.raises(UsageError, match=r"no sound is under 'GPL-2.0-onyl' \(did you mean 'GPL-2.0-only'\?\)"):
        check_licences(OUT, selected(sound("a", "GPL-2.0-only")), ("GPL-2.0-onyl",), LicenceClass.ANY)


def test_one_file_under_two_licences_is_refused() -> None:
    twice = selected(sound("a", "MIT", sha256="1" * 64), sound("b", "CC0-1.0", sha256="1" * 64))
    with pytest.raises(UsageError, match=r"b: the same file as a.*contradictory"):
        check_licences(OUT, twice, (), LicenceClass.ANY)


def test_a_pair_of_licences_that_contradict_is_refused_unless_both_are_allowed() -> None:
    pair = selected(sound("a", "GPL-2.0-only"), sound("b", "CC-BY-SA-3.0-US"))
    with pytest.raises(UsageError, match=r"train-00000000: mixes CC-BY-SA-3\.0-US and GPL-2\.0-only"):
        check_licences(OUT, pair, (), LicenceClass.SHARE_ALIKE)
    check_licences(OUT, pair, ("GPL-2.0-only", "CC-BY-SA-3.0-US"), LicenceClass.ANY)


@pytest.mark.parametrize(
    ("licences", "contradict"),
    [
        (["MIT", "CC0-1.0", "CC-BY-4.0"], False),
        (["GPL-2.0-only", "GPL-2.0-or-later"], False),
        (["GPL-2.0-only", "GPL-3.0-or-later"], True),
        (["GPL-2.0-or-later", "GPL-3.0-only"], False),
        (["GPL-2.0-or-later", "CC-BY-SA-4.0"], False),  # both may become GPL 3
        (["GPL-2.0-only", "CC-BY-SA-4.0"], True),
        (["CC-BY-SA-2.0", "CC-BY-SA-3.0-US"], False),
        (["CC-BY-SA-4.0", "CC-BY-NC-4.0"], True),  # share alike lets nobody add "no commercial use"
        (["CC-BY-NC-SA-4.0", "CC-BY-NC-3.0"], False),
        (["CC-BY-NC-4.0", "CC-BY-4.0"], False),
        (["LGPL-2.1-only", "GPL-2.0-only"], False),
        (["AGPL-3.0-only", "GPL-3.0-only"], False),
        (["GPL-2.0-only", "CC-BY-SA-3.0 OR MIT"], False),
        (["ODbL-1.0", "CC-BY-SA-4.0"], True),
        (["GPL-2.0-only", "CC-BY-SA-3.0", "CC-BY-SA-3.0 OR GPL-3.0-only"], True),
        (["GPL-2.0-only", "CC-BY-SA-3.0 OR GPL-3.0-only"], True),
        (["GPL-2.0-only", "CC-BY-SA-3.0 OR GPL-2.0-or-later"], False),
        (["GPL-3.0-only", "CC-BY-SA-3.0 OR (GPL-2.0-or-later AND MIT)", "GPL-2.0-only OR CC-BY-SA-4.0"], False),
        (["GPL-2.0-only", "CC-BY-SA-3.0 OR LicenseRef-mine"], True),  # what is unknown is no way out
    ],
)
def test_which_licences_contradict(licences: list[str], contradict: bool) -> None:
    assert bool(list(find_contradictions({frozenset(licences): "train-00000000"}))) == contradict


@given(st.sampled_from([*TABLE, "CC-BY-SA-3.0", "CC-BY-NC-SA-4.0"]))
def test_a_licence_never_contradicts_itself(licence: str) -> None:
    assert may_become(licence, licence)
    assert not list(find_contradictions({frozenset([licence, "CC0-1.0"]): "train-00000000"}))


@pytest.mark.parametrize(
    ("source", "creator"),
    [
        ("freesound:86335 by zgump", "zgump"),
        ("https://example.org/kit by A. Person", "A. Person"),
        ("recorded by train 0", ""),
        ("Stand by me kit", ""),
        ("pack: songs by the sea", ""),
        ("debian:hydrogen-drumkits", ""),
        ("", ""),
        ("a hobby", ""),
    ],
)
def test_the_creator_is_who_the_source_names(source: str, creator: str) -> None:
    row = {"id": "a", "kind": "kick", "source": source, "licence": "MIT", "sha256": "0"}
    assert attribute(row).creator == creator


TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\x00"), max_size=12)


@given(TEXT, TEXT)
def test_the_attribution_is_a_csv_that_no_spreadsheet_runs(file: str, source: str) -> None:
    content = attribution_csv([sound(file, "MIT", source=source, sha256="0" * 64)])
    header, row = csv.reader(io.StringIO(content.decode(), newline=""))
    assert tuple(header) == ATTRIBUTION_COLUMNS
    assert [cell.removeprefix("'") for cell in (row[0], row[3])] == [text.removeprefix("'") for text in (file, source)]
    assert not any(cell.startswith(("=", "+", "-", "@", "\t", "\r")) for cell in row)


def test_every_licence_of_the_table_has_its_text() -> None:
    texts = licence_texts([*TABLE, "CC-BY-4.0", "CC-BY-SA-3.0"], None)
    assert not [name for name, text in texts.items() if len(text) < 400]
    assert "WITHOUT WARRANTY" in texts["MIT"] or "WITHOUT WARRANTY OF ANY KIND" in texts["MIT"]


def test_texts_that_rmod_lacks_are_the_users_or_a_note(tmp_path: Path) -> None:
    (tmp_path / "LicenseRef-mine.txt").write_text("Do as you like.\n", encoding="utf-8")
    texts = licence_texts(["LicenseRef-mine AND MIT", "", "Beerware", "CC-BY-SA-3.0-US"], tmp_path)
    assert set(texts) == {"LicenseRef-mine", "MIT", UNKNOWN_LICENCE, "Beerware", "LicenseRef-CC-BY-SA-3.0-US"}
    assert texts["LicenseRef-mine"] == "Do as you like.\n"
    assert "https://spdx.org/licenses/Beerware.html" in texts["Beerware"]
    assert "unknown" in texts[UNKNOWN_LICENCE]
    assert terms_of("LicenseRef-mine").in_words() == "unknown"


def test_a_text_that_is_no_text_is_refused(tmp_path: Path) -> None:
    (tmp_path / "LicenseRef-mine.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match="is not a text in UTF-8"):
        licence_texts(["LicenseRef-mine"], tmp_path)


@pytest.mark.parametrize(
    ("licence", "whole", "may"),
    [
        ("GPL-3.0-only", "LGPL-3.0-only", False),
        ("LGPL-3.0-only", "GPL-3.0-only", True),
        ("AGPL-3.0-only", "GPL-3.0-only", False),
        ("AGPL-3.0-or-later", "LGPL-3.0-or-later", False),
        ("GPL-3.0-only", "AGPL-3.0-only", True),
    ],
)
def test_a_gnu_licence_goes_to_the_stronger_one_alone(licence: str, whole: str, may: bool) -> None:
    assert may_become(licence, whole) == may


def test_a_text_that_cannot_be_taken_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "MIT.txt"
    path.write_bytes(b" " * (LARGEST_TEXT_BYTES + 1))
    with pytest.raises(UsageError, match=f"is larger than {LARGEST_TEXT_BYTES} bytes"):
        licence_texts(["MIT"], tmp_path)
    path.write_bytes(b" ")

    def refuse(*_: object, **__: object) -> str:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "read_text", refuse)
    with pytest.raises(UsageError, match="cannot be read: Permission denied"):
        licence_texts(["MIT"], tmp_path)
