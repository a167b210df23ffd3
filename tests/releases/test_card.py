"""The data card shows the facts, and no text of a user becomes markup."""

from __future__ import annotations

import html
import re
from dataclasses import asdict, replace
from pathlib import Path

import markdown
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.errors import UsageError
from rmod_pipeline.releases.card.markdown import as_block, as_code, escape_markdown, format_decimals, format_size
from rmod_pipeline.releases.card.plots import list_plots
from rmod_pipeline.releases.card.view import CardRelease
from rmod_pipeline.releases.facts import ReleaseFacts
from rmod_pipeline.releases.formats import ReleaseRequest
from tests.releases.conftest import make_release

TEXT = st.text(st.characters(exclude_categories=["C", "Z"]) | st.sampled_from(" -*_#<>[]()`|!\\&1.+~"), min_size=1)


@given(TEXT)
def test_escaped_text_is_shown_as_it_is(text: str) -> None:
    page = markdown.markdown(escape_markdown(text))
    shown = html.unescape(re.sub(r"</?p>", "", page))
    # Python's markdown keeps the backslash before these, which CommonMark takes away.
    shown = re.sub(r"\\([|~$=])", r"\1", shown)
    assert shown.split() == text.split()


@given(TEXT)
def test_code_has_one_line_and_ends(text: str) -> None:
    code = as_code(text)
    fence = re.match(r"`+", code)
    assert "\n" not in code
    assert not fence or fence[0] not in re.findall(r"`+", code)[1:-1]


def test_a_block_is_longer_fenced_than_its_text() -> None:
    assert as_block("a\n````\nb").startswith("`````\n")
    assert format_size(999) == "999 bytes"
    assert format_size(1_234_567) == "1.2 MB"
    assert format_decimals(-0.01) == "0.0"


def test_the_card_shows_facts_plots_and_open_questions(on_kaggle: Path, tiny_facts: ReleaseFacts) -> None:
    card = (on_kaggle / "README.md").read_text()
    assert card.startswith("# Tiny drums &amp; &lt;friends&gt;\n")
    for split in tiny_facts.splits:
        assert f"| {split.name} | {split.pairs} |" in card
    for plot in list_plots(tiny_facts):
        assert f"]({plot.path})" in card
        assert (on_kaggle / plot.path).read_bytes().startswith(b"\x89PNG")
    assert tiny_facts.fingerprint in card
    assert tiny_facts.library_digest in card
    assert "| (unknown) | unknown | 3 |" in card
    assert card.count("Open: the publisher has not answered this.") >= 5
    assert "pairs were compared across splits by how they sound, and none is in two splits" in card


@pytest.mark.parametrize(
    ("template", "message"),
    [
        ("{{ facts.no_such_field }}", "no_such_field"),
        ("{{ nothing }}", "'nothing' is undefined"),
        ("{% for %}", "line 1"),
        ("{{ ''.__class__.__mro__ }}", "unsafe"),
        ("{{ facts.pairs.__class__ }}", "unsafe"),
        ("{% include '/etc/passwd' %}", "passwd"),
        ("{{ 1 / 0 }}", "cannot be filled"),
        ("{{ release.key.read_text() }}", "no attribute 'key'"),
        ("{{ release.to.write_text('x') }}", "no attribute 'to'"),
        ("{{ release.out }}", "no attribute 'out'"),
        ("{{ release.template }}", "no attribute 'template'"),
        ("{{ facts.versions.clear() }}", "unsafe"),
    ],
)
def test_a_template_with_an_error_is_refused_before_anything_is_written(
    template: str, message: str, tiny_tokens: Path, tmp_path: Path
) -> None:
    (tmp_path / "card.j2").write_text(template)
    with pytest.raises(UsageError, match=message):
        make_release(tiny_tokens, tmp_path / "to", "plain", template=tmp_path / "card.j2")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["card.j2"]


def test_a_template_of_the_user_is_escaped_too(tiny_tokens: Path, tmp_path: Path) -> None:
    (tmp_path / "card.j2").write_text("{{ release.title }}: {{ facts.pairs | count }}")
    to = make_release(tiny_tokens, tmp_path / "to", "plain", template=tmp_path / "card.j2")
    assert (to / "README.md").read_text() == "Tiny drums &amp; &lt;friends&gt;: 12\n"


def test_a_template_sees_plain_values_alone(tiny_request: ReleaseRequest, tmp_path: Path) -> None:
    """Whatever a request comes to hold, no path or other object with powers reaches a template."""
    seen = CardRelease.of(replace(tiny_request, key=tmp_path / "key.pem", template=tmp_path / "card.j2"))
    values = [*asdict(seen).values()]
    while values:
        value = values.pop()
        if isinstance(value, dict | tuple | list):
            values += value.values() if isinstance(value, dict) else value
        else:
            assert type(value) in (str, int, float, bool)
