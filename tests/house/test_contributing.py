"""CONTRIBUTING.md keeps its word: an op that is added in one place works everywhere."""

from __future__ import annotations

import ast
import os
import re
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_rnn

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
(EXAMPLE,) = re.findall(r"^```python\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)

EVERYWHERE = ROOT / "tests" / "op_works_everywhere.py"


def row_of_the_page() -> str:
    """The row of the op table that the page registers."""
    calls = [node for node in ast.walk(ast.parse(EXAMPLE)) if isinstance(node, ast.Call)]
    (row,) = [call for call in calls if isinstance(call.func, ast.Name) and call.func.id == "Op"]
    return ast.get_source_segment(EXAMPLE, row) or ""


@pytest.mark.usefixtures("ops_as_they_were")
def test_an_op_registered_in_a_program_works_everywhere(capsys: pytest.CaptureFixture[str]) -> None:
    exec(compile(EXAMPLE, "CONTRIBUTING.md", "exec"), {"__name__": "__main__"})
    runpy.run_path(str(EVERYWHERE))
    debugged = capsys.readouterr().out
    assert "∂√(x² + y²)/∂y = y / √(x² + y²) = 0.8" in debugged


def test_a_row_in_the_table_is_all_that_an_op_needs(tmp_path: Path) -> None:
    shutil.copytree(Path(tinygrad_rnn.__file__).parent, tmp_path / "tinygrad_rnn")
    table = tmp_path / "tinygrad_rnn" / "engine" / "ops.py"
    text = table.read_text(encoding="utf-8")
    assert text.count(")\n# fmt: on\n") == 1
    table.write_text(text.replace(")\n# fmt: on\n", f"{row_of_the_page()},\n)\n# fmt: on\n"), encoding="utf-8")
    done = subprocess.run(
        [sys.executable, EVERYWHERE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(tmp_path), "PYTHONIOENCODING": "utf-8"},
        capture_output=True,
        encoding="utf-8",
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    assert str(tmp_path) in done.stdout.splitlines()[0]
    assert "∂√(x² + y²)/∂y = y / √(x² + y²) = 0.8" in done.stdout


def test_every_file_that_the_page_names_exists() -> None:
    for path in re.findall(r"`((?:tests|demos)/[\w./]+)`", PAGE):
        assert (ROOT / path).exists() or "NAME" in path, path
