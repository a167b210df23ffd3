"""SVG elements as text, everything escaped."""

from __future__ import annotations

from collections.abc import Iterable

from markupsafe import Markup, escape


def element(name: str, *content: str, **attributes: object) -> Markup:
    """Return one element. Attributes end in ``_`` where the name is a word of Python; floats get one decimal."""
    written = Markup("").join(
        Markup(' {}="{}"').format(attribute.rstrip("_"), _shown(value)) for attribute, value in attributes.items()
    )
    return Markup("<{0}{1}>{2}</{0}>").format(name, written, join(content))


def join(parts: Iterable[str]) -> Markup:
    """Return the parts one after the other; what is not markup is escaped."""
    return Markup("").join(escape(part) for part in parts)


def title(text: str) -> Markup:
    """Return what a browser shows when the pointer rests on an element."""
    return element("title", text)


def percent(share: float) -> str:
    """Return a share as an SVG length that stretches with its picture."""
    return f"{100 * share:.3f}%"


def _shown(value: object) -> str:
    return f"{value:.1f}" if isinstance(value, float) else str(value)
