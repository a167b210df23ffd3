"""Find licences that one pair cannot satisfy together: each wants the whole under itself.

The rules are few: what share-alike licences say of later versions and of each other. Nothing here is legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator, Mapping

from rmod_pipeline.library.licences import split_licences, terms_of
from rmod_pipeline.library.licences.expressions import may_satisfy
from rmod_pipeline.library.licences.terms import terms_of_identifier

_CREATIVE_COMMONS = re.compile(r"CC-BY-(?P<kind>(?:NC-)?SA)-(?P<version>\d\.\d)(?:-[A-Z]{2,3})?")
_GNU = re.compile(r"(?P<kind>A|L)?GPL-(?P<version>\d\.\d)-(?P<later>only|or-later)")

_COMMON_WHOLES = ("GPL-3.0-or-later", "AGPL-3.0-or-later", "CC-BY-SA-4.0", "CC-BY-NC-SA-4.0")
"""Licences under which works of several share-alike licences may come together, though none of them is there."""

_FROM_CREATIVE_COMMONS = {"CC-BY-SA-4.0": ("GPL-3.0-only", "GPL-3.0-or-later", "LAL-1.3"), "LAL-1.3": ("CC-BY-SA-4.0",)}
"""The one-way roads that Creative Commons publishes: what is derived may be under these instead."""


def find_contradictions(mixtures: Mapping[frozenset[str], str]) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Yield the key of a pair, and the licences in it that no licence of the whole satisfies together.

    mixtures: sets of SPDX expressions that are in one pair, each with the key of such a pair.
    """
    for licences, key in sorted(mixtures.items(), key=lambda item: item[1]):
        binding = tuple(sorted(filter(_binds, licences)))
        if len(binding) > 1 and not _go_together(binding):
            yield key, binding


def _binds(expression: str) -> bool:
    terms = terms_of(expression)
    return terms.share_alike or terms.non_commercial


def _go_together(expressions: Collection[str]) -> bool:
    """Return whether some licence of the whole satisfies all of these. Whoever uses the sounds chooses at every OR."""
    names = {name for expression in expressions for name in split_licences(expression)}
    sharing = sorted(name for name in names if terms_of_identifier(name).share_alike)
    return any(_all_may_become(expressions, whole) for whole in (None, *sharing, *_COMMON_WHOLES))


def _all_may_become(expressions: Collection[str], whole: str | None) -> bool:
    """Return whether every expression has a choice that lets the whole be under this licence.

    None stands for a whole that no share-alike licence binds.
    """

    def accepts(name: str) -> bool:
        terms = terms_of_identifier(name)
        if whole is None:
            return not terms.share_alike
        if terms.non_commercial and not terms_of_identifier(whole).non_commercial:
            return False
        return not terms.share_alike or may_become(name, whole)

    def accepts_known(name: str) -> bool:
        return terms_of_identifier(name).known and accepts(name)

    # An unknown licence is no way out, unless there is no other choice. Then somebody has to allow it by name.
    return all(
        may_satisfy(expression, accepts_known if terms_of(expression).known else accepts) for expression in expressions
    )


def may_become(licence: str, whole: str) -> bool:
    """Return whether a share-alike licence lets what is derived be under another one.

    Both are SPDX identifiers. Later versions of Creative Commons licences are allowed, and of GNU licences where they
    say "or later"; the lesser and the Affero GPL go together with the GPL of their version.
    """
    if licence == whole or whole in _FROM_CREATIVE_COMMONS.get(licence, ()):
        return True
    first, second = _CREATIVE_COMMONS.fullmatch(licence), _CREATIVE_COMMONS.fullmatch(whole)
    if first and second:
        return first["kind"] == second["kind"] and second["version"] >= first["version"]
    gnu, gnu_whole = _GNU.fullmatch(licence), _GNU.fullmatch(whole)
    if not (gnu and gnu_whole):
        return False
    if gnu_whole["kind"] == "L" and gnu["kind"] != "L":
        return False
    if gnu["kind"] == "A" and gnu_whole["kind"] != "A":
        return False
    return _covers(gnu, gnu_whole)


def _covers(licence: re.Match[str], whole: re.Match[str]) -> bool:
    """Return whether the versions of a GNU licence include that of the whole."""
    if licence["kind"] == "L" and whole["kind"] != "L" and licence["version"] < "3.0":
        return whole["version"] >= "2.0"  # the LGPL 2.1 may be exchanged for any GPL from version 2 on
    if whole["kind"] == "A" and licence["kind"] != "A":
        return licence["version"] == "3.0" or licence["later"] == "or-later"
    if licence["later"] == "or-later":
        return whole["version"] >= licence["version"]
    return whole["version"] == licence["version"]
