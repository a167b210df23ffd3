"""Licences of sounds: what each asks of a derived data set, and one expression for many of them.

Nothing here is legal advice. The table says what rmod assumes, so that it can be read and questioned.
"""

from rmod_pipeline.library.licences.expressions import combine_licences, split_licences, terms_of
from rmod_pipeline.library.licences.selection import LICENCE_CLASSES, parse_licence_class, select_by_class
from rmod_pipeline.library.licences.terms import LicenceClass, LicenceTerms

__all__ = [
    "LICENCE_CLASSES",
    "LicenceClass",
    "LicenceTerms",
    "combine_licences",
    "parse_licence_class",
    "select_by_class",
    "split_licences",
    "terms_of",
]
