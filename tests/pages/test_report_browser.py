"""The page of a report in a real browser: it opens from a file, plays, follows its links, and requests nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from PIL import Image

import rmod_pipeline as rmod
from tests.pages.preview_browser import BROWSER, PLAYING, Tab, needs_browser, open_browser, wait_until

pytestmark = [
    pytest.mark.slow,
    needs_browser,
]


@pytest.fixture(scope="module")
def page(tiny_tokens: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The page of a data set that breaks thresholds."""
    folder = tmp_path_factory.mktemp("report")
    strict = folder / "strict.yaml"
    strict.write_text("loudness: {lufs_max: -20}\nuse: {effective_share_min: 1}\n")
    return rmod.report(tiny_tokens, page=folder / "page.html", thresholds=strict, progress=False).page


@pytest.fixture(scope="module")
def tab(tmp_path_factory: pytest.TempPathFactory, page: Path) -> Iterator[Tab]:
    assert BROWSER is not None
    with open_browser(BROWSER, tmp_path_factory.mktemp("profile")) as opened:
        opened.set_window(1280, 1500, dark=False)
        opened.open(page)
        yield opened


def test_the_page_requests_nothing_and_reports_no_error(tab: Tab, page: Path) -> None:
    assert [url for url in tab.requests() if not url.startswith(("data:", "blob:"))] == [page.as_uri()]
    assert tab.errors() == []


def test_every_sound_plays(tab: Tab) -> None:
    tab.press("Tab")  # an act of a user permits the page to play
    count = tab.evaluate("document.querySelectorAll('.player').length")
    assert count > 6
    tab.evaluate("document.querySelector('.player .play').click()")
    wait_until(lambda: tab.evaluate(f"{PLAYING}.length") == 1)
    tab.press("Escape")
    assert tab.evaluate(f"{PLAYING}.length") == 0


def test_findings_lead_to_their_pairs(tab: Tab) -> None:
    broken = tab.evaluate("[...document.querySelectorAll('.findings b')].map((each) => each.textContent)")
    assert "loudness.lufs_max" in broken
    targets = tab.evaluate("[...document.querySelectorAll('.findings a')].map((each) => each.getAttribute('href'))")
    assert targets
    assert tab.evaluate(f"{targets!r}.every((target) => document.querySelector(target))")


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window_in_both_colours(tab: Tab, tmp_path: Path, dark: bool, width: int) -> None:
    tab.set_window(width, 900, dark)
    tab.evaluate("scrollTo(0, 0)")
    tab.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        corner = picture.convert("L").getpixel((2, 2))
    assert isinstance(corner, int)
    assert corner < 60 if dark else corner > 220
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")
