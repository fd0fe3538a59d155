"""What VS Code shows of the engine, by its debugger debugpy over the debug adapter protocol; and what Tab offers."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tinygrad_rnn import Value

from ..debuggers import APPLICATION, DEMO, ENVIRONMENT, LOCALS, ROOT, WALK, Adapter, launch_configurations, lines_with
from .test_pdb import expected_steps

pytestmark = pytest.mark.slow

PANE = ["name", "data", "grad", "op", "parents", "time_step"]


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    adapter = Adapter()
    yield adapter
    adapter.close()


@pytest.fixture
def plain_program(tmp_path: Path) -> Path:
    """The demo without its breakpoint."""
    program = tmp_path / "program.py"
    program.write_text(re.sub(r"(?m)^cell\.w\.breakpoint.*$", "", DEMO.read_text()))
    return program


def test_every_launch_configuration_steps_into_the_package() -> None:
    for name, configuration in launch_configurations().items():
        assert configuration["justMyCode"] is False, name
        program = configuration.get("program", "${file}")
        assert program == "${file}" or Path(program).exists()


def test_it_stops_at_a_breakpoint_set_on_a_value(adapter: Adapter) -> None:
    adapter.launch(DEMO, {})
    seen = []
    for function, variables in adapter.stops():
        assert function == "walk"
        seen.append(tuple(variables[name] for name in LOCALS))
    assert seen == [step for step in expected_steps() if step[1] == "w"]
    assert "w.grad = -0.160292" in adapter.output


def test_it_stops_at_every_application_of_the_chain_rule(adapter: Adapter, plain_program: Path) -> None:
    adapter.launch(plain_program, {WALK: [{"line": line} for line in lines_with(APPLICATION, WALK)]})
    seen = [tuple(variables[name] for name in LOCALS) for _, variables in adapter.stops()]
    assert seen == expected_steps()


def test_it_evaluates_conditions_with_the_names_of_the_walk(adapter: Adapter, plain_program: Path) -> None:
    (line,) = lines_with(APPLICATION, WALK)
    adapter.launch(plain_program, {WALK: [{"line": line, "condition": "node.op == 'tanh' and node.time_step < 3"}]})
    assert [variables["node"] for _, variables in adapter.stops()] == ["h_2", "h_1"]


def test_a_value_opened_in_the_variables_pane_has_six_rows(adapter: Adapter, plain_program: Path) -> None:
    line = plain_program.read_text().splitlines().index("loss.backward()") + 1
    adapter.launch(plain_program, {plain_program: [{"line": line}]})
    thread = adapter.stopped()
    assert thread is not None
    loss = adapter.locals(adapter.frame(thread))["loss"]
    assert loss["value"].startswith("(h_3 - 0.3)^2: data ")
    rows = {row["name"]: row["value"] for row in adapter.rows(loss)}
    assert sorted(rows) == sorted(PANE)
    assert (rows["name"], rows["grad"], rows["op"]) == ("'(h_3 − 0.3)^2'", "0.0", "'pow_constant'")
    (parents,) = (row for row in adapter.rows(loss) if row["name"] == "parents")
    first = next(row for row in adapter.rows(parents) if row["name"] == "0")
    assert sorted(row["name"] for row in adapter.rows(first)) == sorted(PANE)
    adapter.ask("continue", threadId=thread)
    assert adapter.stopped() is None


# ---- an installed package, and VS Code's default setting ---------------------------------------------------------


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment in which the package is installed by pip, without its dependencies."""
    folder = tmp_path_factory.mktemp("installed")
    ignored = shutil.ignore_patterns(".*", "build", "*.egg-info", "__pycache__", "tests")
    shutil.copytree(ROOT, folder / "source", ignore=ignored)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder / "venv"], check=True, timeout=120)
    python = folder / "venv" / ("Scripts" if sys.platform == "win32" else "bin") / "python"
    install = [sys.executable, "-m", "pip", "--python", python, "install", "-q", "--no-deps", folder / "source"]
    subprocess.run(install, check=True, timeout=300)
    return python


@pytest.mark.parametrize(("just_my_code", "stops"), [(True, 0), (False, 3)])
def test_where_the_debugger_may_not_stop_a_breakpoint_on_a_value_says_so(
    adapter: Adapter, installed: Path, tmp_path: Path, just_my_code: bool, stops: int
) -> None:
    program = tmp_path / "program.py"
    program.write_text(DEMO.read_text() + "loss.backward()\n" * (not stops))
    settings = {"python": [str(installed)], "justMyCode": just_my_code, "env": {"PYTHONPATH": ""}, "cwd": str(tmp_path)}
    adapter.launch(program, {}, **settings)
    found = []
    while (thread := adapter.stopped()) is not None:
        found.append(adapter.frame(thread)["name"])
        adapter.ask("continue", threadId=thread)
    # Where it may not stop in the walk, it passes by or, from Python 3.12 on, stops at the user's own line.
    assert [function for function in found if function != "<module>"] == ["walk"] * stops
    assert "w.grad = -0.160292" in adapter.output
    warnings = re.findall(r"program.py:(\d+): RuntimeWarning: .*\"justMyCode\": false", adapter.output)
    line = program.read_text().splitlines().index("loss.backward()") + 1
    assert warnings == ([] if stops else [str(line)])  # once, at the user's own line


def test_no_debugger_no_warning(recwarn: pytest.WarningsRecorder, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "breakpointhook", lambda: None)
    w = Value(2.0)
    w.breakpoint()
    (w * w).backward()
    assert not recwarn.list


# ---- Tab ---------------------------------------------------------------------------------------------------------

COMPLETE = """
from IPython.core.completer import provisionalcompleter
from IPython.core.interactiveshell import InteractiveShell
from tinygrad_rnn import Value
shell = InteractiveShell.instance()
shell.user_ns["v"] = Value(2.0)
shell.Completer.use_jedi = {jedi}
with provisionalcompleter():
    print(*[completion.text for completion in shell.Completer.completions("v.", 2)])
"""


@pytest.mark.parametrize("jedi", [True, False])
def test_tab_in_ipython_offers_every_method(jedi: bool, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", COMPLETE.format(jedi=jedi)],
        env={**ENVIRONMENT, "IPYTHONDIR": str(tmp_path)}, capture_output=True, text=True, check=True, timeout=120,
    )  # fmt: skip
    offered = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert {"backward", "backward_steps", "breakpoint", "tanh", "data", "grad", "label", "zero_grad"} <= offered


def test_tab_at_the_plain_prompt_offers_every_method() -> None:
    rlcompleter = pytest.importorskip("rlcompleter")
    complete = rlcompleter.Completer({"v": Value(2.0)}).complete
    offered = {name for state in range(200) if (name := complete("v.", state))}
    assert {"v.backward", "v.breakpoint", "v.tanh", "v.data", "v.label"} <= {name.partition("(")[0] for name in offered}


def test_dir_offers_every_name() -> None:
    assert {"backward", "label", "tanh", "_backward", "__add__", *PANE} <= set(dir(Value(1.0)))
