"""Write the page of the kinds of sounds from the table that the code reads; docs/generate.py calls it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

_INTRODUCTION = """\
# Kinds of sounds

Every class of sound that rmod knows, how sample packs and MIDI files name it, and what it is called in manifests. This
page is generated from `rmod_pipeline/library/taxonomy.yaml`. Scans of libraries, grooves, the known hits of pairs,
classifiers and curation all read that one table.

- A **class** is what a classifier tells apart. A **subkind** is a part of a class. A **member** is a sound of a class
  that has a kind of its own, and that no classifier tells from the rest of its class.
- The **kind** is the word in manifests and labels files. Kinds are free: a library may have others too.
- A scan tells kinds from names; [Libraries](../guides/libraries.md) says how. It gives no kind to percussion
  and to what is no drum, except for the music of recipes: bass, piano, guitar and vocal.

## Classes

The last three columns are the class among the seven of a public roadmap for one-shot classification, and the keys of
the two MIDI maps that come with rmod ([Grooves](../guides/grooves.md)). A kind is written as the first key.
"""

_WORDS = """\
## Words in names

Capitals and accents do not matter, and a word of a phrase may have a plural s. Words with a star are recognised at the
beginning or end of a longer word too: `clubkick`. An abbreviation decides only where no word does. One in brackets has
other meanings as well, and decides only beside other drums. The last column has what tells the subkind in a name of
the class: `open` in `Hat Open`.
"""

_PYTHON = """\
## In Python

```python
from rmod_pipeline.library.taxonomy import CLASSES, class_of, kind_of, read_subkind, subkinds_of

assert CLASSES[:3] == ("kick", "snare", "clap")
assert subkinds_of("hihat") == ("closed", "open", "pedal")
assert kind_of("hihat", "open") == "open_hihat"
assert class_of("timbale") == ("percussion", "")
assert class_of("sitar") is None  # kinds are free words: an unknown one is no mistake
assert read_subkind("tom", "Floor Tom 2") == "low"
```\
"""


def taxonomy_page() -> str:
    """Return the reference of the kinds of sounds, read from the table."""
    from rmod_pipeline.library.taxonomy import load_taxonomy

    rows = load_taxonomy().kinds
    lines = [*_INTRODUCTION.splitlines(), ""]
    lines += _table(("class", "subkind", "kind", "roadmap", "General MIDI", "Roland TD"), _class_rows(rows))
    lines += ["", "## Members", "", "Their kinds are their names."]
    lines += ["", *_table(("class", "member", "in a scan", "General MIDI"), _member_rows(rows)), ""]
    lines += [*_WORDS.splitlines(), ""]
    lines += _table(("class", "words", "abbreviations", "tells the subkind"), map(_word_cells, rows))
    return "\n".join([*lines, "", *_PYTHON.splitlines()]) + "\n"


def _table(columns: Sequence[str], rows: Iterator[Sequence[str]]) -> list[str]:
    return [f"| {' | '.join(cells)} |" for cells in (columns, ["---"] * len(columns), *rows)]


def _class_rows(rows: Sequence[Any]) -> Iterator[Sequence[str]]:
    for row in rows:
        if row.member:
            continue
        kinds = [row.kind, *row.aliases]
        cells = [" or ".join(f"`{kind}`" for kind in kinds)]
        if row.groove_kind != row.kind:
            cells[0] += f", in grooves `{row.groove_kind}`"
        name = "" if row.subkind else f"**{row.class_name}**"
        seven = "" if row.subkind else row.seven_class or "none"
        keys = [_join(row.midi.get(map_name, ())) for map_name in ("general_midi", "roland_td")]
        yield name, row.subkind, *cells, seven, *keys


def _member_rows(rows: Sequence[Any]) -> Iterator[Sequence[str]]:
    for row in rows:
        if row.member:
            scan = "a loop" if row.scan == "loop" else "no kind"
            yield row.class_name, f"`{row.member}`", scan, _join(row.midi.get("general_midi", ()))


def _word_cells(row: Any) -> Sequence[str]:
    words = [f"{word}*" if word in row.strong_words else word for word in row.words]
    codes = [*row.codes, *row.nicknames, *(f"({code})" for code in row.weak_codes)]
    return row.path, _join(words), _join(codes), _join(row.marks)


def _join(things: Sequence[Any]) -> str:
    return ", ".join(map(str, things)).replace("*", r"\*")
