"""Write the pages of docs/ that are generated: the command line, the keys of recipes, kinds, licences, the notebook.

python docs/generate.py            write the pages
python docs/generate.py --check    exit with 1 if a page is not what the code says
"""

from __future__ import annotations

import inspect
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from taxonomy_page import taxonomy_page

DOCS = Path(__file__).parent
NOTEBOOK = DOCS / "tutorials" / "read_the_shards.ipynb"
PANEL = "Options"


def cli_page() -> str:
    """Return the reference of the command line, read from the Typer application."""
    from typer.main import get_command

    from rmod_pipeline.cli import app

    lines = [
        "# Command line",
        "",
        "Every command of `rmod`, its arguments and its options. This page is generated from the commands themselves.",
        "`rmod COMMAND --help` prints the same text.",
        "",
    ]
    for names, command in _commands(get_command(app), ("rmod",)):
        lines += [f"## {' '.join(names)}" if len(names) > 1 else "## rmod", "", *_command_lines(names, command)]
    return "\n".join(lines).rstrip() + "\n"


def _commands(command: Any, names: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], Any]]:
    yield names, command
    for name, below in getattr(command, "commands", {}).items():
        yield from _commands(below, (*names, name))


def _command_lines(names: tuple[str, ...], command: Any) -> list[str]:
    import typer

    context = typer.Context(command, info_name=" ".join(names))
    usage = " ".join(part.strip("{}") for part in command.collect_usage_pieces(context))
    lines = ["```text", f"{' '.join(names)} {usage}", "```", "", *_help_lines(command.help or ""), ""]
    panels: dict[str, list[Any]] = {"Arguments": []}
    for param in command.get_params(context):
        is_argument = param.param_type_name == "argument"
        panel = "Arguments" if is_argument else getattr(param, "rich_help_panel", None) or PANEL
        if "--help" not in param.opts:
            panels.setdefault(panel, []).append(param)
    for panel, params in panels.items():
        if params:
            lines += [f"{panel}:", "", *(_param_line(param, context) for param in params), ""]
    return lines


def _help_lines(text: str) -> list[str]:
    """Return the Markdown of a command's help: indented blocks become fenced blocks without empty lines between."""
    lines: list[str] = []
    block: list[str] = []
    for line in [*inspect.cleandoc(text).splitlines(), "END"]:
        if line.startswith("    "):
            block.append(line[4:])
        elif block and not line:
            continue
        else:
            if block:
                lines += ["```sh" if block[0].startswith("rmod ") else "```text", *block, "```", ""]
                block = []
            lines.append(line)
    return lines[:-1]


def _param_line(param: Any, context: Any) -> str:
    metavar = (param.metavar or "").strip()
    names = ", ".join([*param.opts, *param.secondary_opts])
    if param.param_type_name == "argument":
        names, metavar = metavar.strip("{}[]") or param.name.upper(), ""
    elif not metavar and not getattr(param, "is_flag", False):
        metavar = param.display_type(context).strip("<>").upper()
    notes = ["required"] if param.required else []
    default = param.get_default(context, call=False)
    if not param.required and default not in (None, False, [], ()):
        shown = param.opts[0].lstrip("-") if default is True else default
        notes.append(f"default: `{shown}`")
    note = f" ({', '.join(notes)})" if notes else ""
    text = " ".join((param.help or "").split())
    return f"- `{f'{names} {metavar}'.strip()}`{note}: {text}"


def recipe_page() -> str:
    """Return the reference of all keys of recipes, read from the pydantic models."""
    from rmod_pipeline.classification.recipe import ClassifierRecipe
    from rmod_pipeline.dose.recipe import DoseRecipe
    from rmod_pipeline.ear.recipe import EarRecipe
    from rmod_pipeline.evaluation.recipe import EvaluationRecipe
    from rmod_pipeline.recipe.schema import Recipe
    from rmod_pipeline.training.codec.recipe import CodecRecipe

    lines = [
        "# Recipe keys",
        "",
        "Every key of the six kinds of recipe. This page is generated from the schema that checks them.",
        "`rmod recipe schema` prints the schema of data sets as JSON, for editors.",
        "",
        *_FORMS.splitlines(),
        "",
    ]
    for title, model in (
        ("A data set: `recipes/*.yaml`", Recipe),
        ("A DOSE model: `recipes/dose/*.yaml`", DoseRecipe),
        ("An ear: `recipes/ear/*.yaml`", EarRecipe),
        ("A classifier: `recipes/classifier/*.yaml`", ClassifierRecipe),
        ("A codec: `recipes/codec/*.yaml`", CodecRecipe),
        ("An evaluation: `recipes/evaluation/*.yaml`", EvaluationRecipe),
    ):
        lines += [f"## {title}", ""]
        schema = model.model_json_schema()
        for heading, part in _parts(schema):
            if heading:
                lines += [f"### {heading}", ""]
            lines += [" ".join(part.get("description", "").split()), ""]
            required = part.get("required", [])
            lines += [_key_line(name, field, name in required) for name, field in part["properties"].items()]
            lines.append("")
    return "\n".join(lines).rstrip() + "\n"


_FORMS = """\
A **random number** is written in one of these forms. Every pair draws its own value.

| form | meaning |
|---|---|
| `4` | always 4 |
| `[2, 10]` | uniform between 2 and 10; for whole numbers every number from 2 to 10, both ends included |
| `{uniform: [2, 10]}` | the same, spelled out |
| `{log_uniform: [30, 200]}` | uniform in the logarithm |
| `{integers: [2, 4]}` | whole numbers, both ends included |
| `{choice: [4.0, 2.0], weights: [1, 3]}` | one of a list; without `weights` each has equal chance |
| `{normal: [100, 3], clip: [1, 127]}` | normal by mean and standard deviation, clipped |"""

_SKIPPED = ("Constant", "Uniform", "LogUniform", "Integers", "Normal", "Choice")
"""Models of the forms above."""

_COMMON = ("effect", "probability", "match_rms")
"""Keys that every effect has; they are listed once."""


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield the root and every model below it, each with its heading, in the order in which a recipe uses them."""
    models = schema.get("$defs", {})
    effects = sorted(name for name, part in models.items() if "const" in part["properties"].get("effect", {}))
    seen = set(effects)
    waiting: list[tuple[str, dict[str, Any]]] = [("", schema)]
    while waiting:
        path, part = waiting.pop(0)
        yield ("Effects in any order" if "any_order" in part["properties"] else _heading(path, part)), part
        for name, field in part["properties"].items():
            for model, below in _models_of(field, f"{path}.{name}".strip(".")):
                if model not in seen and not model.startswith(_SKIPPED):
                    seen.add(model)
                    waiting.append((below, models[model]))
    if effects:
        yield "Every effect", _common_part(models[effects[0]])
    for name in effects:
        part = models[name]
        yield f"Effect `{part['properties']['effect']['const']}`", {**part, "properties": _own_keys(part)}
        for key, field in part["properties"].items():
            for model, _ in _models_of(field, key):
                if model not in seen and not model.startswith(_SKIPPED):
                    seen.add(model)
                    yield f"A member of `{key}`", models[model]


def _heading(path: str, part: dict[str, Any]) -> str:
    """Return the heading of a model: its place in a recipe, and the value that chooses it among others there."""
    for key in ("system", "source"):
        chosen = part["properties"].get(key, {})
        names = [chosen["const"]] if "const" in chosen else chosen.get("enum", [])
        if names:
            return f"`{path}` with `{key}: {'` or `'.join(names)}`"
    return path and f"`{path}`"


def _common_part(effect: dict[str, Any]) -> dict[str, Any]:
    keys = {name: effect["properties"][name] for name in _COMMON if name != "effect"}
    named = {"description": "The name of the effect.", "type": "string"}
    text = "Keys of every effect in a chain."
    return {"description": text, "properties": {"effect": named, **keys}, "required": ["effect"]}


def _own_keys(effect: dict[str, Any]) -> dict[str, Any]:
    return {name: field for name, field in effect["properties"].items() if name not in _COMMON}


def _models_of(field: dict[str, Any], path: str) -> Iterator[tuple[str, str]]:
    """Yield the name and the path of every model that a field refers to."""
    if "$ref" in field:
        yield field["$ref"].rpartition("/")[2], path
    for form in [*field.get("anyOf", []), *field.get("oneOf", [])]:
        yield from _models_of(form, path)
    if "items" in field:
        yield from _models_of(field["items"], f"{path}[]")
    for below in [field.get("additionalProperties"), *field.get("patternProperties", {}).values()]:
        if isinstance(below, dict):
            yield from _models_of(below, f"{path}.KIND")


def _key_line(name: str, field: dict[str, Any], required: bool) -> str:
    notes = [_type_words(field)]
    if required and "const" not in field:
        notes.append("required")
    elif "default" in field and field["default"] not in (None, "", [], {}):
        notes.append(f"default `{json.dumps(field['default'])}`")
    text = " ".join(field.get("description", "").split())
    return f"- `{name}` ({', '.join(notes)})" + (f": {text}" if text else "")


def _type_words(field: dict[str, Any]) -> str:  # noqa: PLR0911
    """Return the type of a field in a few words, with its unit and limits."""
    if "$ref" in field:
        return "keys below"
    if "const" in field:
        return f"always `{field['const']}`"
    if "enum" in field:
        return " or ".join(f"`{word}`" for word in field["enum"])
    if "unit" in field:
        short = field["anyOf"][0]
        whole = "whole " if short.get("type") == "integer" else ""
        return f"random {whole}number{_limit_words(short, field['unit'])}"
    if "anyOf" in field:
        forms = [form for form in field["anyOf"] if form.get("type") != "null"]
        nullable = len(forms) < len(field["anyOf"])
        words = [_type_words(form) for form in forms if not form.get("$ref", "").endswith("Choice_str_")]
        return " or ".join([*words, *(["null"] if nullable else [])])
    if "oneOf" in field:
        return "an effect" if field.get("discriminator", {}).get("propertyName") == "effect" else "keys below"
    kind = field.get("type")
    if kind == "array":
        items = field.get("items", {})
        if "prefixItems" in field:
            return "a pair of numbers"
        is_chain = any("AnyOrder" in form.get("$ref", "") for form in items.get("oneOf", items.get("anyOf", [])))
        return "list of effects" if is_chain else f"list: {_type_words(items)}"
    if kind == "object":
        below = field.get("additionalProperties") or next(iter(field["patternProperties"].values()))
        return f"one key per name, each {_type_words(below)}"
    words = {"number": "number", "integer": "whole number", "string": "text", "boolean": "true or false"}
    return words.get(str(kind), "any value") + _limit_words(field, "")


def _limit_words(field: dict[str, Any], unit: str) -> str:
    """Return `, -80 to 20 dB`, or an empty string for a field without limits."""
    least = field.get("minimum", field.get("exclusiveMinimum"))
    most = field.get("maximum", field.get("exclusiveMaximum"))
    if least is None and most is None:
        return f" in {unit}" if unit else ""
    start = f"above {least:g}" if "exclusiveMinimum" in field else f"{least:g}" if least is not None else ""
    if most is None:
        return f", {start}{'' if 'exclusiveMinimum' in field else ' or more'} {unit}".rstrip()
    end = f"below {most:g}" if "exclusiveMaximum" in field else f"{most:g}"
    return f", {start} to {end} {unit}".rstrip()


def licence_page() -> str:
    """Return the table of what licences ask, read from the code that applies it."""
    from rmod_pipeline.library.licences.terms import TABLE, LicenceClass, terms_of_identifier

    commons = [f"CC-BY{terms}-4.0" for terms in ("", "-SA", "-NC", "-NC-SA", "-ND", "-NC-ND")]
    rows = sorted({*TABLE, *commons}, key=lambda name: (_burden(terms_of_identifier(name)), name))
    columns = ("notice", "credit", "share_alike", "non_commercial", "no_derivatives")
    lines = [*_LICENCE_WORDS.splitlines(), "", "| licence | class | keep the notice | credit | share alike |"]
    lines[-1] += " no commercial use | no derivatives |"
    lines.append("|---|---|---|---|---|---|---|")
    for name in rows:
        terms = terms_of_identifier(name)
        marks = " | ".join("yes" if getattr(terms, column) else "" for column in columns)
        shown = "none" if terms.licence_class is LicenceClass.ANY else terms.licence_class.value
        lines.append(f"| `{name}` | {shown} | {marks} |")
    lines.append("| unknown | none | ? | ? | ? | ? | ? |")
    return "\n".join([*lines, "", *_LICENCE_RULES.splitlines()]) + "\n"


def _burden(terms: Any) -> tuple[int, bool, bool, bool]:
    return terms.licence_class.rank, terms.no_derivatives, terms.non_commercial, terms.notice


_LICENCE_WORDS = """\
# Licences

What a licence asks of a data set that is derived from sounds under it, as rmod assumes. This page is generated
from `rmod_pipeline/library/licences/terms.py`.

**This is no legal advice.** The table is a reading of the licences by people who are not lawyers. Whether a
mixture is a derived work, and what a model that is trained on it may do, differs by country and is not settled.
Whoever publishes a data set decides, and answers for it.

A class contains the classes above it: `permissive` (nothing, or to keep the notice), `attribution` (credit
too), `share-alike` (the same licence for what is derived, too), `any` (everything). A licence with `none` in the
table is in no class but `any`.\
"""

_LICENCE_RULES = """\
All versions and ports of a Creative Commons licence ask what is in its name: BY credit, SA share alike, NC no
commercial use, ND no derivatives. A licence that is not in the table is judged by its category in the list that
the package license-expression brings: *Public Domain* asks nothing, *Permissive* counts as `attribution`,
*Copyleft* and *Copyleft Limited* as `share-alike`. All others are unknown, and so is every `LicenseRef-` of
your own.

- `A AND B` asks what both ask.
- `A OR B` asks what the one asks that asks less, because the user of the sound may choose.
- `A WITH exception` asks what `A` asks if SPDX lists the exception. Otherwise the terms are unknown.
- Two share-alike licences in one pair contradict each other if neither lets the whole be under a licence that
  the other accepts too. Later versions are accepted where a licence says so, and CC-BY-SA-4.0 may become
  GPL-3.0. So `GPL-2.0-only` contradicts `CC-BY-SA-4.0`, and `GPL-2.0-or-later` does not. No commercial use
  contradicts every share-alike licence that allows it.\
"""


def notebook_page() -> str:
    """Return the notebook as Markdown: text as it is, code as blocks, printed output below the code."""
    notebook = json.loads(NOTEBOOK.read_text(encoding="utf-8"))
    blocks = []
    for cell in notebook["cells"]:
        source = "".join(cell["source"]).strip()
        blocks.append(source if cell["cell_type"] == "markdown" else f"```python\n{source}\n```")
        printed = "".join("".join(output.get("text", [])) for output in cell.get("outputs", []))
        if printed:
            blocks.append(f"```text\n{printed.strip()}\n```")
    note = (
        f"This page is the notebook `docs/tutorials/{NOTEBOOK.name}`. Open [the notebook]({NOTEBOOK.name}) to run it."
    )
    return "\n\n".join([blocks[0], note, *blocks[1:]]) + "\n"


PAGES = {
    DOCS / "reference" / "cli.md": cli_page,
    DOCS / "reference" / "recipe-keys.md": recipe_page,
    DOCS / "reference" / "taxonomy.md": taxonomy_page,
    DOCS / "reference" / "licences.md": licence_page,
    DOCS / "tutorials" / "read-the-shards.md": notebook_page,
}


def main() -> int:
    """Write or check the generated pages."""
    stale = []
    for path, make in PAGES.items():
        text = make()
        if not path.exists() or path.read_text(encoding="utf-8") != text:
            stale.append(path)
            if "--check" not in sys.argv:
                path.write_text(text, encoding="utf-8")
    for path in stale:
        print(f"{path.relative_to(DOCS.parent)}: {'not current: make docs' if '--check' in sys.argv else 'written'}")
    return 1 if stale and "--check" in sys.argv else 0


if __name__ == "__main__":
    sys.exit(main())
