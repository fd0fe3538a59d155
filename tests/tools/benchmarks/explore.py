"""What the interactive page costs: time to build, size, time to load, and the time of a frame while it is used.

    python tests/tools/benchmarks/explore.py [--steps 20 100 500 2000] [--rounds 20]

The page is that of a scalar RNN with a loss at every time step, opened in headless Chromium at 1280 × 900. Each frame
time is the median, over the rounds, of the time from an input to the end of the frame that shows it, of which at least
one interval of the screen (16.7 ms) is waiting.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tinygrad_rnn import ScalarRNNCell, explore, mse_loss, time_step, total, unroll
from tinygrad_rnn.page import Page

#: What is done in round i, as JavaScript; a slider moves by one place each time.
SLIDE = (
    "(i) => {{ const one = byId('{0}'); one.value = Number(one.max) - 1 - i; one.dispatchEvent(new Event('input')); }}"
)
ACTIONS = {
    "pan": "(i) => moveBy(60, 0)",
    "step back": "(i) => byId('step-back').click()",
    "scrub": SLIDE.format("position"),
    "chain k": SLIDE.format("chain-k"),
    "window": SLIDE.format("window"),
    "norm": SLIDE.format("norm"),
}
TIMED = """async (rounds) => {
    const frame = () => new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    const times = [], act = %s;
    for (let i = 0; i < rounds; i++) {
        await frame();
        const before = performance.now();
        act(i);
        await frame();
        times.push(performance.now() - before);
    }
    return times;
}"""


def made(T: int) -> Page:
    """The page of a scalar RNN over T time steps."""
    inputs = [math.sin(0.7 * i) for i in range(T + 1)]
    unrolled = unroll(ScalarRNNCell(w=0.9, u=0.5, b=0.1), inputs[:-1])
    losses = []
    for t in range(1, T + 1):
        with time_step(t):
            losses.append(mse_loss(unrolled.h[t], inputs[t]))
    return explore(unrolled, total(losses) / T, losses)


def measure(browser: Any, T: int, rounds: int, folder: Path) -> list[str]:
    """A row of the table."""
    began = time.perf_counter()
    path = made(T).save(folder / f"{T}.html")
    built = time.perf_counter() - began
    page = browser.new_page(viewport={"width": 1280, "height": 900})
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
    loaded = time.perf_counter() - began
    frames = [statistics.median(page.evaluate(TIMED % action, rounds)) for action in ACTIONS.values()]
    page.close()
    numbers = [f"{built:.1f} s", f"{path.stat().st_size / 1e6:.2f} MB", f"{loaded:.2f} s"]
    return [str(T), *numbers, *(f"{frame:.0f} ms" for frame in frames)]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[20, 100, 500, 2000])
    parser.add_argument("--rounds", type=int, default=20)
    args = parser.parse_args()
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or running.chromium.executable_path
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        print("| " + " | ".join(("T", "build", "size", "load", *ACTIONS)), end="")
        print(" |\n|" + "---|" * (4 + len(ACTIONS)))
        for T in args.steps:
            print("| " + " | ".join(measure(browser, T, args.rounds, Path(folder))) + " |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
