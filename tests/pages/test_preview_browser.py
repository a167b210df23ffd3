"""The preview page in a real browser: it opens from a file, plays, reacts to keys, and requests nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from rmod_pipeline.pages.preview import write_preview
from tests.pages.preview_browser import PLAYING, Tab, needs_browser, wait_until
from tests.pages.preview_pairs import make_pair

pytestmark = [
    pytest.mark.slow,
    needs_browser,
]

CURRENT = "document.querySelector('.pair.current').id"
KEYS = "[...document.querySelectorAll('.pair:not([hidden])')].map((pair) => pair.id)"


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pairs = [make_pair(0, stems=True), make_pair(1, loops=False, kit="Tama"), make_pair(2)]
    return write_preview(pairs, tmp_path_factory.mktemp("preview") / "page.html", "Three pairs")


@pytest.fixture
def tab(browser_tab: Tab, page: Path) -> Tab:
    """The page, opened anew: no test sees what another one did to it."""
    browser_tab.set_window(1280, 1500, dark=False)
    browser_tab.open(page)
    return browser_tab


def test_space_plays_the_mix_and_stops_it(tab: Tab) -> None:
    tab.press(" ")
    wait_until(lambda: tab.evaluate(f"{PLAYING}.some((audio) => audio.currentTime > 0.3)"))
    assert tab.evaluate(f"{PLAYING}.length") == 1
    assert tab.evaluate(f"{PLAYING}[0].duration") == pytest.approx(4.0, abs=0.06)
    assert tab.evaluate(f"{PLAYING}[0].closest('.player').dataset.role") == "mix"
    assert float(tab.evaluate("document.querySelector('.time.playing').style.getPropertyValue('--at')")) > 0.05
    tab.press(" ")
    assert tab.evaluate(f"{PLAYING}.length") == 0


def test_digits_play_the_one_shots_one_at_a_time(tab: Tab) -> None:
    tab.press("1")
    tab.press("2")
    wait_until(lambda: tab.evaluate(f"{PLAYING}.length") == 1)
    assert tab.evaluate(f"{PLAYING}[0].getAttribute('aria-label')") == "snare of train-00000000"
    tab.press("Escape")
    assert tab.evaluate(f"{PLAYING}.length") == 0


def test_keys_walk_through_the_pairs(tab: Tab) -> None:
    assert tab.evaluate(CURRENT) == "train-00000000"
    for key, expected in (("j", 1), ("ArrowDown", 2), ("j", 2), ("k", 1), ("ArrowUp", 0)):
        tab.press(key)
        assert tab.evaluate(CURRENT) == f"train-{expected:08d}"


def test_the_filter_hides_and_the_order_sorts(tab: Tab) -> None:
    fill = "filter.value = {!r}; filter.dispatchEvent(new Event('input'))"
    tab.evaluate(fill.format("TAMA kick"))
    assert tab.evaluate(KEYS) == ["train-00000001"]
    tab.evaluate(fill.format("no such kit"))
    assert tab.evaluate("document.getElementById('none').hidden") is False
    tab.evaluate(fill.format(""))
    order = "order.value = {!r}; order.dispatchEvent(new Event('change'))"
    tab.evaluate(order.format("tracks"))
    assert tab.evaluate(KEYS)[-1] == "train-00000001"
    tab.evaluate(order.format("loudness"))
    assert tab.evaluate(KEYS) == [f"train-{index:08d}" for index in range(3)]
    tab.evaluate(order.format("key"))


def test_every_sound_of_a_pair_decodes(tab: Tab) -> None:
    lengths = tab.evaluate(
        """Promise.all([...document.querySelectorAll('#train-00000000 audio')].map((audio) => new Promise((done) => {
            const copy = new Audio(audio.src);
            copy.onloadedmetadata = () => done([copy.duration, Number(audio.closest('.player').dataset.seconds)]);
            copy.onerror = () => done([-1, 0]);
        })))"""
    )
    assert len(lengths) > 6
    assert [decoded for decoded, _ in lengths] == pytest.approx([declared for _, declared in lengths], abs=0.06)


@pytest.mark.parametrize("dark", [False, True])
@pytest.mark.parametrize("width", [1280, 400])
def test_the_page_fits_its_window_in_both_colours(tab: Tab, tmp_path: Path, dark: bool, width: int) -> None:
    tab.set_window(width, 900, dark)
    tab.screenshot(tmp_path / "page.png")
    with Image.open(tmp_path / "page.png") as picture:
        corner = picture.convert("L").getpixel((2, 2))
    assert isinstance(corner, int)
    assert corner < 60 if dark else corner > 220
    assert tab.evaluate("document.documentElement.scrollWidth <= innerWidth")


def test_the_page_requests_nothing_but_itself_and_causes_no_errors(tab: Tab) -> None:
    first, *others = tab.requests()
    assert first.startswith("file:")
    assert {url.partition(":")[0] for url in others} <= {"data", "blob"}
    assert tab.errors() == []
