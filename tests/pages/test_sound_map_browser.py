"""The sound map in a real browser: it plays under the pointer and by keys, hides kinds, finds names, copies paths."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rmod_pipeline.curation.neighbours.index import SoundIndex
from rmod_pipeline.pages.sound_map import write_sound_map
from tests.curation.neighbours.libraries import make_index, make_library
from tests.pages.preview_browser import Tab, needs_browser, wait_until

pytestmark = [
    pytest.mark.slow,
    needs_browser,
]

PLAYED = "document.getElementById('player').dataset.sound"
TIME = "document.getElementById('player').currentTime"
CURRENT = "soundMap.current()"


@pytest.fixture(scope="module")
def index(tmp_path_factory: pytest.TempPathFactory) -> SoundIndex:
    return make_index(make_library(tmp_path_factory.mktemp("a library")))


def spread(count: int) -> np.ndarray:
    """Return places that are far from each other: a square grid."""
    side = int(np.ceil(np.sqrt(count)))
    return np.array([[number % side, number // side] for number in range(count)]) / max(side - 1, 1)


@pytest.fixture(scope="module")
def page(index: SoundIndex, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The map of twelve sounds, of which six are in the page."""
    file = tmp_path_factory.mktemp("page") / "map.html"
    write_sound_map(index, spread(12), "t-SNE", file)
    most = sum(map(len, _sounds_in(file)[:6]))
    assert write_sound_map(index, spread(12), "t-SNE", file, most_bytes=most) == 6
    return file


def _sounds_in(page: Path) -> list[str]:
    from tests.pages.test_sound_map import content_of

    return list(content_of(page.read_text())["sound"])


@pytest.fixture
def tab(browser_tab: Tab, page: Path) -> Tab:
    browser_tab.set_window(1200, 800, dark=False)
    browser_tab.open(page)
    browser_tab.press("Tab")  # an act of a user permits the page to play
    return browser_tab


def mouse(tab: Tab, kind: str, x: float, y: float, **options: object) -> None:
    tab.call("Input.dispatchMouseEvent", type=kind, x=x, y=y, **options)


def place_of(tab: Tab, number: int) -> tuple[float, float]:
    place = tab.evaluate(
        f"""(() => {{ const box = document.getElementById('map').getBoundingClientRect();
        const place = soundMap.placeOf({number}); return [box.left + place.x, box.top + place.y]; }})()"""
    )
    return float(place[0]), float(place[1])


def hover(tab: Tab, number: int) -> None:
    mouse(tab, "mouseMoved", *place_of(tab, number))


def click(tab: Tab, number: int) -> None:
    for kind in ("mousePressed", "mouseReleased"):
        mouse(tab, kind, *place_of(tab, number), button="left", clickCount=1)


def finish(tab: Tab, page: Path) -> None:
    assert tab.errors() == []
    addresses = [url for url in tab.requests() if not url.startswith(("data:", "blob:"))]
    assert addresses[0] == page.as_uri() and all(url.startswith("file:") for url in addresses)


def test_a_sound_plays_under_the_pointer(tab: Tab, page: Path, index: SoundIndex) -> None:
    """Those in the page, and those that are played from their files."""
    for number in (0, 5, 6, 11):
        hover(tab, number)
        wait_until(lambda number=number: tab.evaluate(PLAYED) == index.assets[number].path)  # type: ignore[misc]
        wait_until(lambda: tab.evaluate(TIME) > 0)
        assert tab.evaluate("document.getElementById('player').error") is None
        assert tab.evaluate("document.querySelector('#card b').textContent") in index.assets[number].path
    assert tab.evaluate("document.getElementById('player').src").startswith("file:")
    mouse(tab, "mouseMoved", *np.add(place_of(tab, 0), 40))
    assert tab.evaluate(CURRENT) == -1 and tab.evaluate("document.getElementById('card').hidden")
    finish(tab, page)


def test_a_browser_that_waits_for_an_act_of_the_user_is_explained(browser_tab: Tab, page: Path) -> None:
    browser_tab.open(page)
    hover(browser_tab, 3)
    wait_until(lambda: not browser_tab.evaluate("document.getElementById('blocked').hidden"))
    browser_tab.press("Tab")
    assert browser_tab.evaluate("document.getElementById('blocked').hidden")
    hover(browser_tab, 4)
    wait_until(lambda: browser_tab.evaluate(TIME) > 0)
    finish(browser_tab, page)


def test_a_click_pins_a_sound_and_copies_its_path(tab: Tab, page: Path, index: SoundIndex) -> None:
    hover(tab, 4)
    click(tab, 4)
    wait_until(lambda: "Copied" in tab.evaluate("document.getElementById('toast').textContent"))
    assert tab.evaluate("[...document.querySelectorAll('#pins li span')].map((each) => each.textContent)") == [
        Path(index.assets[4].path).name
    ]
    click(tab, 4)
    assert tab.evaluate("document.querySelectorAll('#pins li').length") == 0
    finish(tab, page)


def test_kinds_are_hidden_and_names_are_found(tab: Tab, page: Path, index: SoundIndex) -> None:
    shown = "[...Array(12).keys()].filter((i) => soundMap.isShown(i))"
    tab.evaluate("document.querySelector('[data-kind=kick]').click()")
    assert tab.evaluate(shown) == [number for number, asset in enumerate(index.assets) if asset.kind != "kick"]
    assert tab.evaluate("document.getElementById('count').textContent") == "8 of 12"
    kick = next(number for number, asset in enumerate(index.assets) if asset.kind == "kick")
    hover(tab, kick)
    assert tab.evaluate(CURRENT) == -1
    tab.evaluate("document.getElementById('every').click()")
    tab.press("/")
    for letter in "snare 04":
        tab.press(letter)
    assert [index.assets[number].path for number in tab.evaluate(shown)] == ["snare/04.wav"]
    tab.press("Enter")
    wait_until(lambda: tab.evaluate(PLAYED) == "snare/04.wav")
    finish(tab, page)


def test_all_of_it_works_by_keys(tab: Tab, page: Path) -> None:
    tab.evaluate("document.getElementById('map').focus()")
    visited = set()
    for key in ("ArrowRight", "ArrowUp", "ArrowLeft", "ArrowLeft", "ArrowDown"):
        tab.press(key)
        visited.add(tab.evaluate(CURRENT))
        wait_until(lambda: tab.evaluate(TIME) > 0)
    assert len(visited) > 2 and -1 not in visited
    assert ".wav" in tab.evaluate("document.getElementById('status').textContent")
    tab.press("p")
    assert tab.evaluate("document.querySelectorAll('#pins li').length") == 1
    before = tab.evaluate("soundMap.view.scale")
    tab.press("+")
    assert tab.evaluate("soundMap.view.scale") > before
    tab.press("0")
    assert tab.evaluate("soundMap.view.scale") == 1
    tab.press("Escape")
    assert tab.evaluate(CURRENT) == -1
    finish(tab, page)


def test_the_map_moves_and_zooms_by_mouse(tab: Tab, page: Path) -> None:
    x, y = place_of(tab, 3)
    mouse(tab, "mouseWheel", x, y, deltaX=0, deltaY=-120)
    assert tab.evaluate("soundMap.view.scale") > 1.1
    assert place_of(tab, 3) == pytest.approx((x, y), abs=1), "the place under the pointer stays"
    mouse(tab, "mouseMoved", x - 60, y - 60)
    mouse(tab, "mousePressed", x - 60, y - 60, button="left", clickCount=1)
    mouse(tab, "mouseMoved", x - 90, y - 80, button="left", buttons=1)
    mouse(tab, "mouseReleased", x - 90, y - 80, button="left", clickCount=1)
    assert place_of(tab, 3) == pytest.approx((x - 30, y - 20), abs=1)
    assert tab.evaluate("document.querySelectorAll('#pins li').length") == 0
    finish(tab, page)


def test_three_thousand_sounds_are_drawn_in_time(tab: Tab, index: SoundIndex, tmp_path: Path) -> None:
    """The median frame while the map is zoomed takes 16 ms; this bound allows for a busy machine."""
    many = replace(index, assets=index.assets * 250, embeddings=np.tile(index.embeddings, (250, 1)))
    points = np.random.default_rng(0).random((3000, 2))
    write_sound_map(many, points, "t-SNE", tmp_path / "map.html", most_bytes=0)
    tab.open(tmp_path / "map.html")
    frames = tab.evaluate(
        """new Promise((done) => { const times = []; const canvas = document.getElementById('map');
        const next = (now) => { times.push(now); canvas.dispatchEvent(new WheelEvent('wheel', { deltaY: -20 }));
        if (times.length < 40) requestAnimationFrame(next); else done(times); }; requestAnimationFrame(next); })"""
    )
    assert np.median(np.diff(frames)) < 200
    assert tab.errors() == []
