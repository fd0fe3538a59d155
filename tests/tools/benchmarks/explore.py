"""What the interactive page costs: time to build, size, time to load, and the time of a frame while it is used.

    python tests/tools/benchmarks/explore.py [--steps 12 100 1000 2000] [--rounds 60]

Pages of the scalar cell and of an LSTM of 4 units, with the loss of the last time step, opened in headless Chromium at
1440 × 900. A frame is what the main thread spends on script, style and layout from an input event until two frames
later, when what the worker found is drawn, too: the median and the 95th percentile over the rounds, the first tenth of
which is left out. Chromium counts the thread's own time, but a loaded machine makes that longer, too. The split and the
curves come from the worker: their time is until both are drawn anew.
"""

from __future__ import annotations

import argparse
import math
import os
import shutil
import tempfile
import time
from pathlib import Path
from typing import Any

from playwright.sync_api import sync_playwright

from tinygrad_rnn import Linear, LSTMCell, ScalarRNNCell
from tinygrad_rnn.page import Page
from tinygrad_rnn.page.api import page_of
from tinygrad_rnn.page.source import from_sequence

#: A weight, or x_T, is moved by one place each round; two frames later all is drawn.
MOVE = """async ([id, i]) => {
    const one = byId(byId(id) ? id : "entry");
    one.value = 0.3 + 0.003 * i;
    one.dispatchEvent(new Event("input"));
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))));
}"""
WORK = """async () => {
    const before = performance.now();
    change({ x: chosen.x.map((row) => row.map((x) => 0.99 * x)) });
    await new Promise((done) => requestAnimationFrame(() => setTimeout(done, 0)));
    while (document.querySelector(".old")) await new Promise((done) => setTimeout(done, 2));
    return performance.now() - before;
}"""


def made(cell: str, T: int) -> Page:
    """The page of a cell over T time steps of a sine."""
    wave = [math.sin(0.7 * i) for i in range(T + 1)]
    if cell == "scalar":
        return page_of(from_sequence(ScalarRNNCell(w=0.9, u=0.5, b=0.1), wave[:-1], wave[1:]))
    pairs = [[x] for x in wave[:-1]], [[y] for y in wave[1:]]
    return page_of(from_sequence(LSTMCell(1, 4), *pairs, readout=Linear(4, 1, seed=1)))


def frames(page: Any, slider: str, rounds: int) -> str:
    """The median and the 95th percentile of a frame in which a slider moves."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.setTimeDomain", {"timeDomain": "threadTicks"})
    session.send("Performance.enable")

    def spent() -> float:
        metrics = {each["name"]: each["value"] for each in session.send("Performance.getMetrics")["metrics"]}
        return float(metrics["ScriptDuration"] + metrics["RecalcStyleDuration"] + metrics["LayoutDuration"])

    times = []
    for i in range(rounds):
        before = spent()
        page.evaluate(MOVE, [slider, i])
        times.append(1000.0 * (spent() - before))
    session.detach()
    counted = sorted(times[rounds // 10 :])
    return ", ".join(f"{counted[int(part * len(counted))]:.1f}" for part in (0.5, 0.95)) + " ms"


def measure(browser: Any, cell: str, T: int, rounds: int, folder: Path) -> list[str]:
    """A row of the table."""
    began = time.perf_counter()
    path = made(cell, T).save(folder / f"{cell}{T}.html")
    built = time.perf_counter() - began
    page = browser.new_page(viewport={"width": 1440, "height": 900})
    began = time.perf_counter()
    page.goto(path.as_uri())
    page.wait_for_selector("html[data-ready]", state="attached", timeout=120_000)
    loaded = time.perf_counter() - began
    moves = [frames(page, slider, rounds) for slider in ("parameter0", "x")]
    work = page.evaluate(WORK)
    page.close()
    numbers = [f"{built:.2f} s", f"{path.stat().st_size / 1000:.0f} kB", f"{loaded:.2f} s"]
    return [cell, str(T), *numbers, *moves, f"{work:.0f} ms"]


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--steps", type=int, nargs="+", default=[12, 100, 1000, 2000])
    parser.add_argument("--rounds", type=int, default=60)
    args = parser.parse_args()
    with sync_playwright() as running, tempfile.TemporaryDirectory() as folder:
        program = os.environ.get("CHROMIUM") or shutil.which("chromium") or running.chromium.executable_path
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        print("| cell | T | build | size | load | a weight moves | an input moves | split and curves |")
        print("|---|--:|--:|--:|--:|--:|--:|--:|")
        for cell in ("scalar", "lstm"):
            for T in args.steps:
                print("| " + " | ".join(measure(browser, cell, T, args.rounds, Path(folder))) + " |", flush=True)
        browser.close()


if __name__ == "__main__":
    main()
