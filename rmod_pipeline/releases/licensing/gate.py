"""Refuse a release whose sounds may not be released as they are, and name each file.

What asks for more than credit has to be allowed by name: share alike, no commercial use, no derivatives, unknown terms.
Nothing here is legal advice: the check finds what somebody must decide, and does not decide it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from rmod_pipeline.errors import UsageError, nearest
from rmod_pipeline.library.licences import LicenceClass, terms_of
from rmod_pipeline.releases.licensing.compatibility import find_contradictions
from rmod_pipeline.releases.licensing.sounds import AttributedSound, SelectedPairs
from rmod_pipeline.storage import Location

UNKNOWN_NAME = "unknown"
"""What a user writes for the licence of sounds that have none."""

NO_ADVICE = "rmod gives no legal advice"


def check_licences(out: Location, selected: SelectedPairs, allowed: Iterable[str], licence_class: LicenceClass) -> None:
    """Raise UsageError unless every licence asks for credit at most, is in the class, or is allowed by name.

    Also for a file that is given under two licences, for a sound that asks for credit and has no source, and for a pair
    whose licences contradict each other, unless all of them are allowed by name.
    """
    names = frozenset(allowed)
    _check_names(names, selected.licences)
    if not selected.sounds:
        found = f"no pair is made of sounds of the class {licence_class} alone"
        hint = f"choose a wider class, or build another data set with --licences {licence_class}"
        raise UsageError(out, found, hint)
    _check_one_licence_each(selected.sounds)
    _check_terms(out, selected, names, licence_class)
    _check_credit(out, selected.sounds)
    _check_contradictions(selected, names)


def needs_permission(licence: str, licence_class: LicenceClass) -> bool:
    """Return whether a release must name this licence. The user who cuts to a class has accepted what it asks."""
    shared = licence_class is LicenceClass.SHARE_ALIKE
    accepted = LicenceClass.SHARE_ALIKE if shared else LicenceClass.ATTRIBUTION
    return not accepted.contains(terms_of(licence).licence_class)


def _check_names(names: frozenset[str], licences: frozenset[str]) -> None:
    known = sorted(licence or UNKNOWN_NAME for licence in licences)
    for name in sorted(names):
        if name not in known:
            found = f"no sound is under '{name}'{nearest(name, known)}"
            raise UsageError("--allow-licence", found, f"the licences of the data set are {', '.join(known)}")


def _check_one_licence_each(sounds: Iterable[AttributedSound]) -> None:
    by_content: dict[str, AttributedSound] = {}
    for sound in sounds:
        other = by_content.setdefault(sound.sha256, sound)
        if other.licence != sound.licence:
            found = (
                f"the same file as {other.file}, but {_name(sound.licence)} there is {_name(other.licence)}: "
                "its licence is contradictory"
            )
            raise UsageError(
                sound.file, found, "correct the column licence of the library, and build it again in another folder"
            )


def _check_terms(out: Location, selected: SelectedPairs, names: frozenset[str], licence_class: LicenceClass) -> None:
    refused: defaultdict[str, set[str]] = defaultdict(set)
    for sound in selected.sounds:
        if _name(sound.licence) not in names and needs_permission(sound.licence, licence_class):
            refused[sound.licence].add(sound.file)
    if not refused:
        return
    count = sum(map(len, refused.values()))
    lines = [f"{count} sounds are under licences that a release has to allow by name:"]
    for licence, files in sorted(refused.items()):
        words = f" ({terms_of(licence).in_words()})" if licence else ""
        lines += [f"  {_name(licence)}{words}:", *(f"    {file}" for file in sorted(files))]
    names_of_all = ", ".join(map(_name, sorted(refused)))
    hint = f"{_cut_hint(selected)}read their terms ({NO_ADVICE}) and name each with --allow-licence: {names_of_all}"
    raise UsageError(out, "\n".join(lines), hint)


def _check_credit(out: Location, sounds: Iterable[AttributedSound]) -> None:
    uncredited = [
        sound for sound in sounds if terms_of(sound.licence).credit and not (sound.source.strip() or sound.creator)
    ]
    if uncredited:
        lines = [f"{len(uncredited)} sounds are under licences that ask for credit, and have no source to credit:"]
        lines += [f"  {sound.file} ({sound.licence})" for sound in uncredited]
        hint = (
            "fill the column source of the library for them and build again with another --out, or release only pairs "
            "without them: --licence-class permissive"
        )
        raise UsageError(out, "\n".join(lines), hint)


def _check_contradictions(selected: SelectedPairs, names: frozenset[str]) -> None:
    for key, licences in find_contradictions(selected.mixtures):
        if not all(_name(licence) in names for licence in licences):
            found = f"mixes {' and '.join(licences)}, which contradict each other: each binds the whole to itself"
            hint = f"{_cut_hint(selected)}read their terms ({NO_ADVICE}) and name all of them with --allow-licence: "
            hint += ", ".join(licences)
            raise UsageError(key, found, hint)


def _cut_hint(selected: SelectedPairs) -> str:
    """Return how to leave out the refused sounds; empty if that would leave no pair."""
    cut = LicenceClass.ATTRIBUTION
    for together in selected.mixtures:
        if all(cut.contains(terms_of(licence).licence_class) for licence in together):
            return f"release only pairs without them: --licence-class {cut}; or "
    return ""


def _name(licence: str) -> str:
    return licence or UNKNOWN_NAME
