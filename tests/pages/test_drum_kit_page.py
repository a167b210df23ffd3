"""The page of a kit holds all that it plays, shows every pad, and runs in a browser without a network."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rmod_pipeline.curation.drum_kit.pads import PADS
from rmod_pipeline.curation.drum_kit.results import DrumKit
from rmod_pipeline.pages.drum_kit import KEYS, kit_html
from rmod_pipeline.pages.drum_kit.patterns import STEPS, VELOCITIES, list_patterns
from tests.curation.drum_kit.kit_sounds import make_kit_of
from tests.pages.preview_browser import Tab, needs_browser, wait_until

COUNT_HITS = """
    window.hits = 0;
    const start = AudioBufferSourceNode.prototype.start;
    AudioBufferSourceNode.prototype.start = function (...at) { window.hits++; start.apply(this, at); };
    1
"""
KIT = make_kit_of({"kick": 1, "snare": 3, "hihat_closed": 1, "hihat_open": 1})


def player_of(html: str) -> dict[str, dict[str, dict[str, list[dict[str, object]]]]]:
    match = re.search(r'<script type="application/json" id="kit">(.*?)</script>', html, re.DOTALL)
    assert match
    return dict(json.loads(match[1]))


@pytest.mark.parametrize("kit", [KIT, make_kit_of({"crash": 1}), make_kit_of(dict.fromkeys(PADS, 2), round_robin=True)])
def test_every_sound_is_in_the_page(kit: DrumKit) -> None:
    html = kit_html(kit)
    pads = player_of(html)["pads"]
    assert {name: len(pad["sounds"]) for name, pad in pads.items()} == {
        pad.name: len(kit.sounds_of(pad)) for pad in kit.played
    }
    assert html.count('class="pad ') == len(kit.played)
    assert all(
        str(sound["data"]).startswith("data:audio/flac;base64,") for pad in pads.values() for sound in pad["sounds"]
    )
    assert kit_html(kit) == html, "equal kits, equal bytes"


def test_nothing_is_loaded_from_elsewhere() -> None:
    html = kit_html(KIT)
    assert not re.search(r'(?:src|href)="(?!data:)', html) and "http" not in html.replace("http-equiv", "")


@given(st.text(min_size=1, max_size=30))
def test_a_name_cannot_break_the_page(name: str) -> None:
    html = kit_html(make_kit_of({"kick": 1}, name=f"</script><b>{name}"))
    assert "</script><b>" not in html


def test_every_pad_has_a_key_of_its_own() -> None:
    keys = re.findall(r'aria-keyshortcuts="(.)"', kit_html(make_kit_of(dict.fromkeys(PADS, 1))))
    assert len(set(keys)) == len(keys) == len(PADS) <= len(KEYS)


def test_patterns_are_bars_of_known_pads() -> None:
    for pattern in list_patterns(list(PADS)):
        steps = pattern["steps"]
        assert isinstance(steps, dict) and set(steps) == set(PADS)
        assert all(len(of_pad) == STEPS and set(of_pad) <= set(VELOCITIES.values()) for of_pad in steps.values())
        assert any(any(of_pad) for of_pad in steps.values())
    (rock, *_) = list_patterns(["kick"])
    assert set(rock["steps"]) == {"kick"}  # type: ignore[call-overload]


@pytest.mark.slow
@needs_browser
def test_the_page_plays_pads_by_key_and_its_pattern(browser_tab: Tab, tmp_path: Path) -> None:
    page = tmp_path / "kit.html"
    page.write_text(kit_html(KIT), encoding="utf-8")
    browser_tab.set_window(1280, 1500, dark=False)
    browser_tab.open(page)
    browser_tab.evaluate(COUNT_HITS)
    browser_tab.press("a")
    wait_until(lambda: browser_tab.evaluate("window.hits") == 1)
    browser_tab.press(" ")
    wait_until(lambda: browser_tab.evaluate("window.hits") > 8)
    assert browser_tab.evaluate("document.getElementById('run').getAttribute('aria-pressed')") == "true"
    browser_tab.press(" ")
    assert browser_tab.evaluate("document.getElementById('run').getAttribute('aria-pressed')") == "false"
    assert [url for url in browser_tab.requests() if not url.startswith(("file:", "data:", "blob:"))] == []
    assert browser_tab.errors() == []
