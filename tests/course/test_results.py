"""The published results: what the pages say is what the scripts wrote, and both engines give the same numbers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
HERE = ROOT / "demos" / "results"
sys.path.insert(0, str(HERE))

import common  # noqa: E402
import table  # noqa: E402

NAMES = sorted(path.stem for path in HERE.glob("*.py") if path.stem not in ("common", "table"))


RUN = list(table.results())


def test_every_json_has_its_script_and_picture() -> None:
    assert sorted(table.ORDER) == NAMES
    assert sorted(path.stem for path in HERE.glob("*.json")) == sorted(RUN)
    assert sorted(path.stem for path in HERE.glob("*.png")) == sorted(RUN)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_both_engines_give_the_same_bits(name: str) -> None:
    done = subprocess.run(
        [sys.executable, str(HERE / f"{name}.py"), "--slice"],
        capture_output=True,
        encoding="utf-8",
        env={**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"},
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    agreed = done.stdout.removeprefix("eager and compiled agree to the bit: ").split()
    assert int(agreed[0]) >= 5


@pytest.mark.parametrize("name", RUN)
def test_every_result_states_what_it_is(name: str) -> None:
    file = HERE / f"{name}.json"
    assert file.stat().st_size < 20_000
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    for key in ("title", "paper", "section", "setting", "differences", "criterion"):
        assert result["source"][key]
    assert 1990 <= result["source"]["year"] <= 2018
    assert result["seconds"] > 0.0
    assert result["runs"] >= len(result["seeds"]) >= 1
    assert result["rows"]
    for row in result["rows"]:
        assert row["what"]
        assert row["ours"]
        assert row["theirs"]
        assert "|" not in "".join(row.values())  # it would part the columns of the table


@pytest.mark.parametrize("name", RUN)
def test_what_is_presented_follows_from_the_data(name: str) -> None:
    result = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))
    script = __import__(name)
    presented = common.presented(script, result["data"])
    assert {name: result.get(name) for name in ("source", "rows", "text")} == {"text": None, **presented}
    assert result["seeds"] == list(script.SEEDS)


@pytest.mark.parametrize("name", RUN)
def test_the_picture_is_of_the_data(name: str) -> None:
    data = json.loads((HERE / f"{name}.json").read_text(encoding="utf-8"))["data"]
    picture = (HERE / f"{name}.png").read_bytes()
    assert b"Comment\0" + common.digest(data).encode() in picture
    assert len(picture) < 250_000


def test_the_page_is_what_the_script_makes_of_the_json() -> None:
    found = table.results()
    assert (HERE / "RESULTS.md").read_text(encoding="utf-8") == table.page(found)
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert "(demos/results/RESULTS.md)" in readme
    assert len(found) == 11, "the README says how many results there are"
    assert "eleven results" in readme
