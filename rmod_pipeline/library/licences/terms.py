"""Define what a licence asks of a data set that is derived from sounds under it.

This is what rmod assumes, not legal advice. ``docs/reference/licences.md`` is generated from it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cache


class LicenceClass(StrEnum):
    """How much the licences of a class ask. Each class contains those before it."""

    PERMISSIVE = "permissive"
    """Nothing, or to keep the licence's own notice."""
    ATTRIBUTION = "attribution"
    """Credit to the creator too."""
    SHARE_ALIKE = "share-alike"
    """The same licence for what is derived, too."""
    ANY = "any"
    """Anything, unknown terms too."""

    @property
    def rank(self) -> int:
        """0 for the class that asks least, 3 for ``any``."""
        return [*LicenceClass].index(self)

    def contains(self, other: LicenceClass) -> bool:
        """Return whether a licence of the other class belongs to this one as well."""
        return other.rank <= self.rank


@dataclass(frozen=True, slots=True, kw_only=True)
class LicenceTerms:
    """What a licence asks of a derived data set."""

    notice: bool = False
    """Its text and its copyright notice go with the data."""
    credit: bool = False
    """The creator is named."""
    share_alike: bool = False
    """What is derived is under the same licence, or one that it names."""
    non_commercial: bool = False
    """No commercial use."""
    no_derivatives: bool = False
    """Nothing derived may be published. Mixtures are derived."""
    known: bool = True
    """Whether rmod knows the terms at all."""

    @property
    def licence_class(self) -> LicenceClass:
        """The smallest class that the terms belong to."""
        if not self.known or self.non_commercial or self.no_derivatives:
            return LicenceClass.ANY
        if self.share_alike:
            return LicenceClass.SHARE_ALIKE
        return LicenceClass.ATTRIBUTION if self.credit else LicenceClass.PERMISSIVE

    def joined(self, other: LicenceTerms) -> LicenceTerms:
        """Return the terms of both together."""
        return LicenceTerms(
            notice=self.notice or other.notice,
            credit=self.credit or other.credit,
            share_alike=self.share_alike or other.share_alike,
            non_commercial=self.non_commercial or other.non_commercial,
            no_derivatives=self.no_derivatives or other.no_derivatives,
            known=self.known and other.known,
        )

    def in_words(self) -> str:
        """Return the terms as a few words, such as ``credit, share alike``."""
        if not self.known:
            return "unknown"
        demands = [
            words
            for applies, words in (
                (self.notice, "keep the notice"),
                (self.credit, "credit"),
                (self.share_alike, "share alike"),
                (self.non_commercial, "no commercial use"),
                (self.no_derivatives, "no derivatives"),
            )
            if applies
        ]
        return ", ".join(demands) or "nothing"


NOTHING = LicenceTerms()
NOTICE = LicenceTerms(notice=True)
CREDIT = LicenceTerms(notice=True, credit=True)
SHARE_ALIKE = LicenceTerms(notice=True, credit=True, share_alike=True)
UNKNOWN = LicenceTerms(known=False)

TABLE = {
    **dict.fromkeys(("0BSD", "CC-PDDC", "CC-PDM-1.0", "CC0-1.0", "MIT-0", "PDDL-1.0", "Unlicense", "WTFPL"), NOTHING),
    **dict.fromkeys(
        ("Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSL-1.0", "CDLA-Permissive-2.0", "ISC", "MIT", "X11", "Zlib"),
        NOTICE,
    ),
    **dict.fromkeys(("ODC-By-1.0",), CREDIT),
    **dict.fromkeys(
        (
            *("AGPL-3.0-only", "AGPL-3.0-or-later", "CDLA-Sharing-1.0", "GPL-2.0-only", "GPL-2.0-or-later"),
            *("GPL-3.0-only", "GPL-3.0-or-later", "LAL-1.3", "LGPL-2.1-only", "LGPL-2.1-or-later", "LGPL-3.0-only"),
            *("LGPL-3.0-or-later", "MPL-2.0", "ODbL-1.0", "OFL-1.1"),
        ),
        SHARE_ALIKE,
    ),
}
"""The licences that are usual for sounds, by SPDX identifier. Those of Creative Commons follow from their names."""

_CREATIVE_COMMONS = re.compile(r"CC-BY(?P<terms>(?:-(?:NC|SA|ND))*)-\d\.\d(?:-[A-Z]{2,3})?")

_CATEGORIES = {"Public Domain": NOTHING, "Permissive": CREDIT, "Copyleft": SHARE_ALIKE, "Copyleft Limited": SHARE_ALIKE}
"""Terms of a licence that is not in the table, by its category in the list that license-expression brings."""


def terms_of_identifier(identifier: str) -> LicenceTerms:
    """Return the terms of one licence, given by its SPDX identifier; ``UNKNOWN`` for one that rmod does not know."""
    if identifier in TABLE:
        return TABLE[identifier]
    match = _CREATIVE_COMMONS.fullmatch(identifier)
    if match:
        words = match["terms"].split("-")
        return replace(CREDIT, share_alike="SA" in words, non_commercial="NC" in words, no_derivatives="ND" in words)
    return _CATEGORIES.get(_categories().get(identifier, ""), UNKNOWN)


@cache
def _categories() -> dict[str, str]:
    """Return the category of every licence that license-expression lists, by SPDX identifier."""
    from license_expression import get_license_index

    return {
        str(key): str(licence["category"])
        for licence in get_license_index()
        if not licence.get("is_exception")
        for key in (licence.get("spdx_license_key"), *licence.get("other_spdx_license_keys", ()))
        if key
    }
