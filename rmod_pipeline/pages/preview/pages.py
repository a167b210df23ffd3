"""Templates of pages: those of a package, which may be made of the preview's parts."""

from __future__ import annotations

from jinja2 import ChoiceLoader, Environment, PackageLoader, StrictUndefined, Template

PREVIEW = "rmod_pipeline.pages.preview"


def page_template(package: str, name: str) -> Template:
    """Return a template in the folder ``page`` of a package; what it includes may lie there or in the preview's."""
    environment = Environment(
        loader=ChoiceLoader([PackageLoader(each, "page") for each in dict.fromkeys((package, PREVIEW))]),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
