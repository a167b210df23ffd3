"""Choose the sounds of a library by what their licences ask."""

from __future__ import annotations

from dataclasses import replace

from rmod_pipeline.errors import LibraryError, UsageError, nearest
from rmod_pipeline.library.asset import Library
from rmod_pipeline.library.licences.expressions import terms_of
from rmod_pipeline.library.licences.terms import LicenceClass
from rmod_pipeline.library.manifest import compute_library_digest

LICENCE_CLASSES = tuple(each.value for each in LicenceClass)
"""The names of the classes, from the one that asks least."""


def parse_licence_class(name: str, option: str = "--licences") -> LicenceClass:
    """Return the class of this name. Raises UsageError, about the option, for an unknown one."""
    if name not in LICENCE_CLASSES:
        found = f"unknown '{name}'{nearest(name, LICENCE_CLASSES)}"
        raise UsageError(option, found, f"choose {', '.join(LICENCE_CLASSES)}")
    return LicenceClass(name)


def select_by_class(library: Library, licence_class: LicenceClass) -> Library:
    """Return the library with the sounds whose licence belongs to a class; with ``any``, the library itself.

    Every sound keeps its split. Raises LibraryError if no sound is left.
    """
    if licence_class is LicenceClass.ANY:
        return library
    kept = tuple(asset for asset in library.assets if licence_class.contains(terms_of(asset.licence).licence_class))
    if not kept:
        found = f"no sound has a licence of the class {licence_class}"
        raise LibraryError(library.manifest, found, "choose a wider class of --licences, or fill the column licence")
    return replace(library, assets=kept, digest=compute_library_digest(kept))
