"""The page of a search by ear: it has every sound, plays them in a browser however short, and needs nothing else."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from rmod_pipeline.curation.neighbours.search import SearchResult, ask, find_neighbours
from rmod_pipeline.errors import UsageError
from rmod_pipeline.library.asset import Library
from rmod_pipeline.pages.neighbours import neighbours_html, write_neighbours
from tests.curation.neighbours.libraries import CHOICE, make_index, write_library
from tests.library.library_sounds import hit, write_sound
from tests.pages.preview_browser import BROWSER, needs_browser, open_browser, wait_until

LENGTHS = (0.02, 0.05, 0.09, 0.1, 0.5, 4.0)
"""In seconds; a FLAC of less than 0.093 s has a single block, which Chromium could not resume."""

Searched = tuple[SearchResult, Library]


@pytest.fixture(scope="module")
def searched(tmp_path_factory: pytest.TempPathFactory) -> Searched:
    folder = tmp_path_factory.mktemp("lengths")
    for number, seconds in enumerate(LENGTHS):
        write_sound(folder / "kick" / f"{number}.wav", hit(number, seconds))
    library = write_library(folder)
    question = ask(write_sound(folder / "question.flac", hit(9, 0.05)), CHOICE)
    return find_neighbours(make_index(library), question, count=10), library


def test_the_page_has_the_question_and_every_neighbour(searched: Searched) -> None:
    result, library = searched
    html = neighbours_html([result, result], library)
    assert html.count('class="card player') == 2 * (len(LENGTHS) + 1)
    for neighbour in result.neighbours:
        assert f"{neighbour.similarity:.3f}" in html and neighbour.asset.path in html
    assert not re.search(r"(?:src|href)=[\"']?(?:https?:|//)", html) and "default-src 'none'" in html
    assert html == neighbours_html([result, result], library)


def test_a_sound_that_is_gone_is_named(searched: Searched, tmp_path: Path) -> None:
    library = write_library(_copy(Path(str(searched[1].root)), tmp_path))
    result = find_neighbours(make_index(library), searched[0].question, count=10)
    (tmp_path / "kick" / "2.wav").unlink()
    html = neighbours_html([result], library)
    assert html.count('class="card player') == len(LENGTHS) and "kick/2.wav: no such file" in html


def test_a_file_of_the_user_stays(searched: Searched, tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("mine")
    with pytest.raises(UsageError, match="no page of rmod"):
        write_neighbours([searched[0]], searched[1], tmp_path / "page.html")
    assert (tmp_path / "page.html").read_text() == "mine"


@pytest.mark.slow
@needs_browser
def test_every_sound_plays_to_its_end(searched: Searched, tmp_path: Path) -> None:
    assert BROWSER is not None
    write_neighbours([searched[0]], searched[1], tmp_path / "page.html")
    with open_browser(BROWSER, tmp_path / "profile") as tab:
        tab.open(tmp_path / "page.html")
        for key in "123456":
            tab.press(key)
            audio = f"document.querySelectorAll('[data-role=\"one-shot\"] audio')[{int(key) - 1}]"
            wait_until(lambda audio=audio: tab.evaluate(f"{audio}.currentTime > 0 || {audio}.error !== null"))  # type: ignore[misc]
            assert tab.evaluate(f"{audio}.error") is None
        tab.press("Escape")
        assert tab.errors() == []


def _copy(folder: Path, target: Path) -> Path:
    for path in folder.rglob("*.wav"):
        write_to = target / path.relative_to(folder)
        write_to.parent.mkdir(parents=True, exist_ok=True)
        write_to.write_bytes(path.read_bytes())
    return target
