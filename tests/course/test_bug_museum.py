"""Every exhibit of the bug museum makes its mistake, is caught, and says what its page says."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MUSEUM = ROOT / "demos" / "bug_museum"
PAGE = (MUSEUM / "README.md").read_text(encoding="utf-8")
EXHIBITS = sorted(path.stem for path in MUSEUM.glob("*.py"))

#: What only the broken variant says.
CAUGHT = {
    "assign_instead_of_add": "backward() says 3, central differences say 6",
    "forgotten_zero_grad": "0.2195 of it from before this pass",
    "inner_gradients_kept": "does not start from 0",
    "loss_ignores_gradient": "backward() says 10, central differences say 5",
    "no_topological_order": "flowed on as 1, but more was to come: 13",
    "state_not_detached": "chunk t = 9 … 12: 111 steps, back to t = 1",
    "window_of_one_step": "no way from L: cut off",
}


@pytest.fixture(scope="module", params=EXHIBITS)
def exhibit(request: pytest.FixtureRequest) -> tuple[str, str]:
    """Its name, and what it prints."""
    done = subprocess.run(
        [sys.executable, str(MUSEUM / f"{request.param}.py")],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return request.param, done.stdout


def test_the_mistake_is_caught_and_the_right_variant_is_not(exhibit: tuple[str, str]) -> None:
    name, said = exhibit
    broken, right = re.fullmatch(r"broken:\n(.*)right:\n(.*)", said, re.S).groups()
    assert CAUGHT[name] in broken
    assert CAUGHT[name] not in right


def test_the_page_shows_what_it_prints(exhibit: tuple[str, str]) -> None:
    name, said = exhibit
    (shown,) = re.findall(rf"\({name}\.py\):\n\n```text\n(.*?)```", PAGE, re.S)
    assert said == shown


def test_every_exhibit_is_on_the_page() -> None:
    assert sorted(re.findall(r"\((\w+)\.py\)", PAGE)) == EXHIBITS
