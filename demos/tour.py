"""A tour of the interactive page in twenty seconds, as tour.gif, and its first view, as explore.png.

python demos/tour.py [FOLDER]

It records the page that ``tinygrad-rnn explore`` writes, in a headless Chromium. That needs Playwright, Pillow, and a
Chromium: the one that the variable CHROMIUM names, the first on the PATH, or Playwright's own.
"""

from __future__ import annotations

import contextlib
import io
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from PIL import Image
from playwright.sync_api import sync_playwright

from tinygrad_rnn.cli import main

SIZE = (1280, 720)
FILM = (960, 540)

#: A line at the bottom that says what one sees.
CAPTION = """(words) => {
    const line = document.getElementById("caption") || document.body.appendChild(document.createElement("p"));
    line.id = "caption";
    line.textContent = words;
    Object.assign(line.style, { position: "fixed", inset: "auto 0 0 0", zIndex: 9, padding: ".55rem 1.4rem",
        font: "600 1.35rem system-ui, sans-serif", color: "white", background: "#1f2933ee" });
}"""
DRAWN = "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"


def scenes(page: Any) -> Iterator[tuple[str, float]]:
    """Play the tour; yield, for each of its frames, what it shows and for how many seconds."""

    def set_slider(name: str, value: float) -> None:
        change = "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', { bubbles: true })); }"
        page.locator(name).evaluate(change, value)

    yield "Twelve steps back in time: hardly anything is left of the gradient", 2.2
    page.keyboard.press("Home")
    for _ in range(13):
        yield "Forward in time …", 0.1
        page.keyboard.press("PageDown")
    for _ in range(11):
        yield "… and the gradient back, a factor at every step", 0.3
        page.keyboard.press("PageDown")
    page.keyboard.press("End")
    page.locator("#nonlinearity").select_option("identity")
    yield "Without tanh the law alone decides: w to the power of 12", 1.4
    for w in (0.95, 1.0, 1.05, 1.1, 1.2, 1.3, 1.4, 1.5):
        set_slider("#parameter0", w)
        yield "Drag w across 1: it explodes", 0.22
    yield "Drag w across 1: it explodes", 1.2
    page.evaluate("toggleCut(6)")
    yield "Cut a link by a click: truncated backpropagation", 1.8
    page.locator("#reset").click()
    set_slider("#lr", 0.05)
    yield "Train: one update after the other, and everything follows", 0.8
    for _ in range(12):
        page.locator("#update").click()
        yield "Train: one update after the other, and everything follows", 0.2
    page.evaluate("goTo(9)")
    page.locator("#by-node").check()
    for _ in range(8):
        yield "Every application of the chain rule, node by node", 0.35
        page.keyboard.press("PageDown")


def record(page: Any) -> list[tuple[Image.Image, float]]:
    """The frames of the tour, with how many seconds each stays."""
    frames = []
    for words, seconds in scenes(page):
        page.evaluate(CAPTION, words)
        page.evaluate(DRAWN)
        shot = Image.open(io.BytesIO(page.screenshot())).convert("RGB")
        frames.append((shot.resize(FILM, Image.Resampling.LANCZOS), seconds))
    return frames


def write_film(frames: list[tuple[Image.Image, float]], path: Path) -> None:
    """Write the frames as a GIF that repeats, all in the colours of one palette."""
    strip = Image.new("RGB", (frames[0][0].width, FILM[1] * len(frames[::5])))
    for i, (image, _) in enumerate(frames[::5]):
        strip.paste(image, (0, i * image.height))
    palette = strip.quantize(160)
    first, *others = (image.quantize(palette=palette, dither=Image.Dither.NONE) for image, _ in frames)
    times = [round(1000 * seconds) for _, seconds in frames]
    first.save(path, save_all=True, append_images=others, duration=times, loop=0, optimize=True)


def with_page(use: Callable[[Any], None]) -> None:
    """Open the default page in a browser, and use it."""
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as running:
        path = Path(folder) / "bptt.html"
        with contextlib.redirect_stdout(io.StringIO()):
            code = main(["explore", "-o", str(path)])
        if code:
            sys.exit(code)
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or running.chromium.executable_path
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        looks: dict[str, Any] = {"reduced_motion": "reduce", "color_scheme": "light"}
        page = browser.new_page(viewport={"width": SIZE[0], "height": SIZE[1]}, **looks)
        page.goto(path.as_uri())
        page.wait_for_selector("html[data-ready]", state="attached")
        page.evaluate(DRAWN)
        use(page)
        browser.close()


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent

    def tour(page: Any) -> None:
        """Take both."""
        page.set_viewport_size({"width": 1440, "height": 900})
        page.evaluate(DRAWN)
        page.screenshot(path=folder / "explore.png")
        page.set_viewport_size({"width": SIZE[0], "height": SIZE[1]})
        write_film(record(page), folder / "tour.gif")

    with_page(tour)
