"""Write SVG elements as escaped text."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *content: str, **attributes: object) -> Markup:
    """Return one element with its attributes and content.

    A trailing ``_`` of an attribute's name is dropped, for names that are keywords of Python. Floats get one decimal.
    """
    written = Markup("").join(
        Markup(' {}="{}"').format(attribute.rstrip("_"), _format_attribute(value))
        for attribute, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, join_markup(content))


def join_markup(parts: Iterable[str]) -> Markup:
    """Concatenate the parts; plain text is escaped."""
    return Markup("").join(escape(part) for part in parts)


def tooltip(text: str) -> Markup:
    """Return the element that a browser shows while the pointer rests on its parent."""
    return element("title", text)


def percent(share: float) -> str:
    """Return a share as an SVG length relative to the picture, which then stretches with it."""
    return f"{100 * share:.3f}%"


def _format_attribute(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
