"""Take the two pictures of the preview page in the README, in light and in dark colours.

    python benchmarks/preview_picture.py --out docs/images

Makes the page with `rmod preview rmod --library builtin --pairs 12`, opens it in a headless Chromium, plays the first
mixture and photographs the window. Takes about a minute, most of it for the pairs.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

# The tests of the page contain the code that controls a browser.
sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from tests.pages.preview_browser import find_browser, open_browser

if TYPE_CHECKING:
    from tests.pages.preview_browser import Tab

WIDTH, HEIGHT, SCALE = 1200, 1490, 1.25
"""Size of the window in pixels of the page, down to the first one-shots, and pixels of the picture per pixel."""
PLAYHEAD_SECONDS = 1.62
PLAYING = "[...document.querySelectorAll('audio')].find((audio) => !audio.paused)"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("--out", type=Path, default=Path("docs/images"), help="folder for the pictures")
    options = arguments.parse_args()
    browser = find_browser()
    if browser is None:
        print("skipped: there is no Chromium on PATH")
        return
    options.out.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        page = Path(folder) / "page.html"
        rmod = Path(sys.executable).with_name("rmod")
        what = ("rmod", "--library", "builtin", "--pairs", "12")
        subprocess.run([rmod, "preview", *what, "--page", page], check=True)
        with open_browser(browser, Path(folder) / "profile") as tab:
            tab.open(page)
            for name, dark in (("preview.png", False), ("preview-dark.png", True)):
                tab.set_window(WIDTH, HEIGHT, dark, SCALE)
                photograph(tab, options.out / name)


def photograph(tab: Tab, picture: Path) -> None:
    """Save what the window shows while the first mixture plays."""
    tab.press(" ")
    while not tab.evaluate(f"{PLAYING}?.currentTime > 0"):
        time.sleep(0.05)
    # Playback is slow, so that the playhead hardly moves until the picture is taken.
    tab.evaluate(f"Object.assign({PLAYING}, {{currentTime: {PLAYHEAD_SECONDS}, playbackRate: 0.07}}).currentTime")
    time.sleep(0.5)
    tab.screenshot(picture)
    tab.press(" ")
    # 256 colours look the same and take half of the bytes.
    with Image.open(picture) as drawn:
        small = drawn.convert("RGB").quantize(256)
    small.save(picture, optimize=True)
    print(picture)


if __name__ == "__main__":
    main()
