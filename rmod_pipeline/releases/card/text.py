"""Fill the data card from its template, and write it with its plots."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from jinja2 import ChoiceLoader, DictLoader, PackageLoader, StrictUndefined, TemplateError
from jinja2.exceptions import SecurityError
from jinja2.sandbox import ImmutableSandboxedEnvironment

from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.licences import terms_of
from rmod_pipeline.releases.card.markdown import (
    SafeMarkdown,
    as_block,
    as_code,
    escape_markdown,
    format_count,
    format_decimals,
    format_hours,
    format_size,
    join_words,
)
from rmod_pipeline.releases.card.plots import draw_plots, list_plots
from rmod_pipeline.releases.card.view import CardRelease
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest

CARD = "README.md"
"""The file of the data card in the folder of a release."""

_TEMPLATE = "card.md.j2"
_UNANSWERED = SafeMarkdown("**Open: the publisher has not answered this.**")
_HINT = f"see {Path(__file__).with_name('templates') / _TEMPLATE}, which uses every field that there is"


def render_card(request: ReleaseRequest, facts: ReleaseFacts) -> str:
    """Return the data card as Markdown; writes nothing.

    Raises UsageError for a template that cannot be read, that is not a template, or that has an unknown field.
    """
    about = request.template or _TEMPLATE
    environment = _open_environment(request.template)
    try:
        text = environment.get_template(_TEMPLATE).render(
            release=CardRelease.of(request), facts=facts, plots=list_plots(facts), unanswered=_UNANSWERED
        )
    except SecurityError as error:
        raise UsageError(about, f"a template may not do this: {error}", _HINT) from error
    except TemplateError as error:
        number = getattr(error, "lineno", None)
        line = f"line {number}: " if number else ""
        raise UsageError(about, f"{line}{error.message or error}", _HINT) from error
    except (TypeError, ValueError, KeyError, ArithmeticError, RecursionError) as error:
        raise UsageError(about, f"cannot be filled: {error!r}", _HINT) from error
    return text.rstrip("\n") + "\n"


def write_card(folder: Path, facts: ReleaseFacts, text: str) -> None:
    """Write the data card and its plots into the folder of a release."""
    draw_plots(folder, facts)
    (folder / CARD).write_text(text, encoding="utf-8")


def _open_environment(template: Path | None) -> ImmutableSandboxedEnvironment:
    """Return the environment of the card's template: everything that a template prints is escaped as Markdown.

    It is sandboxed, because a user's template may come from elsewhere. Raises UsageError if it cannot be read.
    """
    shipped = PackageLoader("rmod_pipeline.releases.card")
    loader = shipped if template is None else ChoiceLoader([DictLoader({_TEMPLATE: _read(template)}), shipped])
    environment = ImmutableSandboxedEnvironment(
        loader=loader,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        finalize=escape_markdown,
        autoescape=False,
    )
    filters: dict[str, Any] = {
        "block": as_block,
        "bytes": format_size,
        "code": as_code,
        "count": format_count,
        "decimals": format_decimals,
        "hours": format_hours,
        "terms": lambda licence: terms_of(licence).in_words(),
        "words": join_words,
    }
    environment.filters.update(filters)
    return environment


def _read(template: Path) -> str:
    try:
        return template.read_text(encoding="utf-8")
    except (OSError, UnicodeError) as error:
        reason = getattr(error, "strerror", None) or "not a text in UTF-8"
        raise UsageError(template, f"cannot be read: {reason}", "give the path of a Jinja2 template") from error
