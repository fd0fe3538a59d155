"""The page that compares pictures: its own are made as the script makes them today."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

FOLDER = Path(__file__).parents[2] / "demos" / "pictures"


@pytest.fixture
def compare() -> ModuleType:
    """The script as a module."""
    spec = importlib.util.spec_from_file_location("compare", FOLDER / "compare.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_every_picture_of_the_page_is_made_by_the_script_and_none_is_left_over() -> None:
    shown = set(re.findall(r"!\[[^\]]+\]\(([^)]+)\)", (FOLDER / "README.md").read_text(encoding="utf-8")))
    assert shown == {path.name for path in FOLDER.glob("*.svg")}
    script = (FOLDER / "compare.py").read_text(encoding="utf-8")
    assert all(f'"{name}"' in script for name in shown)


def test_our_pictures_are_those_of_today(compare: ModuleType, tmp_path: Path) -> None:
    compare.ours(tmp_path)
    for path in tmp_path.iterdir():
        words = [
            re.findall(r"<text[^>]*>([^<]*)<", file.read_text(encoding="utf-8")) for file in (path, FOLDER / path.name)
        ]
        assert words[0] == words[1], f"{path.name} is old: run demos/pictures/compare.py"


def test_the_graph_of_micrograd_has_the_gradients_of_ours(compare: ModuleType, tmp_path: Path) -> None:
    compare.by_micrograd(tmp_path)
    rnn, loss = compare.problem()
    drawn = (tmp_path / "micrograd.svg").read_text(encoding="utf-8")
    assert f"data {loss.data:.4f}" in drawn
    assert f"grad {rnn.cell.w.grad:.4f}" in drawn.replace("&#45;", "-")
