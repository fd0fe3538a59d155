"""A headless Chromium for the tests, driven by Playwright, and pages in it that may not go wrong."""

from __future__ import annotations

import os
import shutil
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright import sync_api as playwright


def find_browser(playwrights_own: str) -> str:
    """A Chromium of this machine: that of the variable CHROMIUM, the first on the PATH, or Playwright's own."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", playwrights_own)
    found = os.environ.get("CHROMIUM") or next(filter(None, map(shutil.which, names)), None)
    if found:
        return found
    message = (
        "THE PAGE IS NOT TESTED: no Chromium. Install one (apt-get install chromium, or python -m playwright install "
        "chromium), or name it in the variable CHROMIUM"
    )
    if os.environ.get("CI"):  # where it must be tested; .ci/run sets it
        pytest.fail(message)
    return pytest.skip(message)


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    """A browser for the tests of a module."""
    with playwright.sync_playwright() as running:
        program = find_browser(running.chromium.executable_path)
        started = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield started
        started.close()


@pytest.fixture
def open_page(browser: Any, files: dict[str, Path]) -> Iterator[Callable[..., Any]]:
    """Open one of the files, without a network. Whatever goes wrong in it fails the test."""
    contexts, wrong = [], []

    def open_(name: str, link: str = "", width: int = 1440, height: int = 900, **options: Any) -> Any:
        context = browser.new_context(viewport={"width": width, "height": height}, **options)
        contexts.append(context)
        context.set_offline(True)
        page = context.new_page()
        address = files[name].as_uri()
        page.on("console", lambda message: wrong.append(f"console: {message.text}"))
        page.on("pageerror", lambda error: wrong.append(f"error: {error}"))
        page.on("dialog", lambda dialog: wrong.append(f"dialog: {dialog.message}"))
        page.on("request", lambda request: wrong.append(request.url))
        page.goto(address + link)
        page.wait_for_selector("html[data-ready]", state="attached", timeout=20_000)
        wrong[:] = [one for one in wrong if not one.startswith((address, "blob:"))]
        return page

    yield open_
    for context in contexts:
        context.close()
    assert not (left := [one for one in wrong if not one.startswith("blob:")]), left


def settle(page: Any) -> None:
    """Wait until what was asked for is computed and drawn."""
    page.evaluate(
        "new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done, 0))))"
    )


def wait_until(page: Any, condition: str, seconds: float = 20.0) -> None:
    """Wait until a condition holds. Playwright's own way to wait would need the eval that the page forbids."""
    end = time.monotonic() + seconds
    while not page.evaluate(condition):
        assert time.monotonic() < end, condition
        page.wait_for_timeout(20)


def settle_work(page: Any) -> None:
    """Wait for the worker, too."""
    settle(page)
    wait_until(page, "!document.querySelector('.old')")


def click_link(page: Any, t: int) -> None:
    """Click the link of the chain after the state of a time step."""
    where = page.evaluate(
        """(t) => {
            const link = document.querySelector(`path[data-link='${t}']`);
            const { x, y } = link.getPointAtLength(link.getTotalLength() / 2).matrixTransform(link.getScreenCTM());
            return [x, y];
        }""",
        t,
    )
    page.mouse.click(*where)
    settle(page)


def set_range(page: Any, selector: str, value: float) -> None:
    """Move a slider."""
    page.locator(selector).evaluate(
        "(one, value) => { one.value = value; one.dispatchEvent(new Event('input', { bubbles: true })); }", value
    )
    settle(page)


def says(page: Any, selector: str) -> str:
    """The text of an element."""
    return str(page.locator(selector).inner_text())
