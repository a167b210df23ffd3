"""Read SPDX expressions: the terms of one, and one for many. The grammar is that of the package license-expression."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from functools import cache
from typing import Any

from rmod_pipeline.library.licences.terms import UNKNOWN, LicenceTerms, terms_of_identifier

UNKNOWN_LICENCE = "LicenseRef-rmod-unknown"
"""Stands in an expression for the licence of sounds that have none."""

_LICENCE_REF = "LicenseRef-"


@cache
def terms_of(expression: str) -> LicenceTerms:
    """Return what an SPDX expression asks of a derived data set.

    Of licences that are joined by OR the one that asks least is chosen, as the user of a sound may. An exception (WITH)
    that SPDX lists changes nothing; any other may ask for anything, so the terms are unknown. So are those of an empty
    text, and of one that is no SPDX expression.
    """
    tree = _parse(expression)
    return UNKNOWN if tree is None else _terms_of_tree(tree)


@cache
def split_licences(expression: str) -> tuple[str, ...]:
    """Return the identifiers in an expression, sorted, without exceptions; empty if it is not SPDX."""
    tree = _parse(expression)
    return () if tree is None else tuple(sorted({name for name in _names(tree) if name}))


@cache
def split_exceptions(expression: str) -> tuple[str, ...]:
    """Return the identifiers of the exceptions (WITH) in an expression, sorted."""
    tree = _parse(expression)
    if tree is None:
        return ()
    exceptions = (getattr(literal, "exception_symbol", None) for literal in tree.get_literals())
    return tuple(sorted({str(exception.key) for exception in exceptions if exception is not None}))


def may_satisfy(expression: str, accepts: Callable[[str], bool]) -> bool:
    """Return whether some choice among licences that are joined by OR has only identifiers that are accepted.

    False for an empty text, and for one that is not SPDX.
    """
    tree = _parse(expression)
    return tree is not None and _satisfies(tree, accepts)


def combine_licences(expressions: Iterable[str]) -> str:
    """Return one SPDX expression for a whole that holds parts under all of these, simplified and sorted.

    A part without a licence, or with a text that is not SPDX, stands in it as ``UNKNOWN_LICENCE``. An identifier that
    the SPDX list lacks becomes a ``LicenseRef-``, as the standard requires. Empty for no parts at all.
    """
    rendered = sorted({_render(expression) for expression in expressions})
    if not rendered:
        return ""
    joined = " AND ".join(f"({text})" for text in rendered)
    return str(_grammar().parse(joined, simple=True).simplify().render())


def identify_licence(identifier: str) -> str:
    """Return an identifier as an expression may hold it: unchanged if SPDX lists it, else as a ``LicenseRef-``."""
    if identifier.startswith(_LICENCE_REF) or identifier in _listed():
        return identifier
    return f"{_LICENCE_REF}{identifier.replace('+', '-or-later')}"


def is_listed(identifier: str) -> bool:
    """Return whether the SPDX list has an identifier. A ``LicenseRef-`` is never listed."""
    return identifier in _listed() and not identifier.startswith(_LICENCE_REF)


def _render(expression: str) -> str:
    tree = _parse(expression)
    if tree is None:
        return UNKNOWN_LICENCE
    names = {name: identify_licence(name) for name in _names(tree)}
    text = str(tree.render("{symbol.key}"))
    if all(name == listed for name, listed in names.items()):
        return text
    return " ".join(_rename(word, names) for word in text.replace("(", "( ").replace(")", " )").split())


def _rename(word: str, names: dict[str, str]) -> str:
    return names.get(word, word)


def _terms_of_tree(tree: Any) -> LicenceTerms:
    from license_expression import AND, OR

    if isinstance(tree, AND):
        terms = [_terms_of_tree(part) for part in tree.args]
        joined = terms[0]
        for part in terms[1:]:
            joined = joined.joined(part)
        return joined
    if isinstance(tree, OR):
        return min((_terms_of_tree(part) for part in tree.args), key=_burden)
    exception = getattr(tree, "exception_symbol", None)
    if exception is not None and not (exception.is_exception and is_listed(str(exception.key))):
        return UNKNOWN
    return terms_of_identifier(_name(tree))


def _satisfies(tree: Any, accepts: Callable[[str], bool]) -> bool:
    from license_expression import AND, OR

    if isinstance(tree, AND | OR):
        quantify = all if isinstance(tree, AND) else any
        return quantify(_satisfies(part, accepts) for part in tree.args)
    return accepts(_name(tree))


def _burden(terms: LicenceTerms) -> tuple[int, int]:
    """Return how much terms ask, to compare them: the class first, then the number of things."""
    demands = (terms.notice, terms.credit, terms.share_alike, terms.non_commercial, terms.no_derivatives)
    return terms.licence_class.rank, (sum(demands) if terms.known else len(demands) + 1)


def _names(tree: Any) -> Iterator[str]:
    for literal in tree.get_literals():
        yield _name(literal)


def _name(literal: Any) -> str:
    return str(getattr(literal, "license_symbol", literal).key)


def _parse(expression: str) -> Any:
    """Return the tree of an expression, or None for an empty text and one that is not SPDX."""
    from license_expression import ExpressionError

    try:
        return _grammar().parse(_modernize(expression), simple=True)
    except ExpressionError:
        return None


def _modernize(expression: str) -> str:
    """Replace the old identifiers of the GNU licences: ``GPL-2.0`` and ``GPL-2.0+``."""
    return " ".join(_DEPRECATED.get(word, word) for word in expression.split(" "))


_GNU = [f"{name}GPL-{version}" for name in ("", "A", "L") for version in ("1.0", "2.0", "2.1", "3.0")]
_DEPRECATED = {name: f"{name}-only" for name in _GNU} | {f"{name}+": f"{name}-or-later" for name in _GNU}


@cache
def _grammar() -> Any:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def _listed() -> frozenset[str]:
    return frozenset(str(name) for name in _grammar().known_symbols)
