"""Any Python debugger can look into a backward pass: pdb over a pipe, and debugpy (VS Code) over its protocol."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from tinygrad_rnn import ScalarRNNCell, Value, backward, mse_loss, unroll

ROOT = Path(__file__).parents[1]
WALK = Path(backward.__file__)
DEMO = ROOT / "demos" / "one_backward_pass.py"
PAGE = ROOT / "demos" / "debuggers.md"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONBREAKPOINT": ""}

APPLICATION = "parent._grad = before + contribution"
LOCALS = ("node", "parent", "local_gradient", "contribution")


def expected_steps() -> list[tuple[str, str, str, str]]:
    """What the local variables must show in the course of the demo's backward pass."""
    cell = ScalarRNNCell(w=0.9, u=0.5, b=0.1)
    loss = mse_loss(unroll(cell, [1.0, 0.5, -1.0]).h[3], 0.3)
    return [
        (step.node.name, step.parent.name, repr(step.local_gradient), repr(step.contribution))
        for step in loss.backward_steps()
    ]


def lines_with(text: str, path: Path) -> list[int]:
    return [n for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip() == text]


# ---- pdb ---------------------------------------------------------------------------------------------------


class Pdb:
    """A program under pdb, or one that starts it, answering one command after the other."""

    def __init__(self, *arguments: str) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-u", *arguments],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            env=ENVIRONMENT,
            cwd=ROOT,
        )
        self.said = ""
        self.greeting = self._answer()

    def __call__(self, command: str) -> str:
        assert self.process.stdin
        self.process.stdin.write(f"{command}\n")
        self.process.stdin.flush()
        return self._answer()

    def _answer(self) -> str:
        assert self.process.stdout
        said = ""
        while not said.endswith("(Pdb) "):
            character = self.process.stdout.read(1)
            if not character:
                break
            said += character
        self.said += said
        return said.removesuffix("(Pdb) ").strip()

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


@pytest.fixture
def plain_program(tmp_path: Path) -> Path:
    """The demo without its breakpoint."""
    program = tmp_path / "program.py"
    program.write_text(re.sub(r"(?m)^cell\.w\.breakpoint.*$", "", DEMO.read_text()))
    return program


def test_n_shows_one_application_of_the_chain_rule_after_the_other(plain_program: Path) -> None:
    pdb = Pdb("-m", "pdb", str(plain_program))
    (line,) = lines_with("loss.backward()", plain_program)
    pdb(f"tbreak {line}")
    pdb("c")
    for _ in range(5000):
        if "walk()" in (said := pdb("s")):
            break
    assert "walk()" in said
    seen = []
    while "walk()" in said and "Return" not in said:
        if f"-> {APPLICATION}" in said:
            seen.append(eval(pdb("p node.name, parent.name, repr(local_gradient), repr(contribution)")))
        said = pdb("n")
    assert seen == expected_steps()
    pdb("c")
    assert "w.grad = -0.160292" in pdb.said
    pdb.close()


def test_conditional_breakpoints_of_pdb_know_the_names(plain_program: Path) -> None:
    pdb = Pdb("-m", "pdb", str(plain_program))
    for line in lines_with(APPLICATION, WALK):
        assert "Breakpoint" in pdb(f"b {WALK}:{line}, parent.label == 'w'")
    seen = []
    while "walk()" in pdb("c"):
        seen.append(eval(pdb("p node.name, parent.name, repr(local_gradient), repr(contribution)")))
    assert seen == [step for step in expected_steps() if step[1] == "w"]
    assert len(seen) == 3
    pdb.close()


@pytest.mark.parametrize("which", [0, 1])
def test_the_transcripts_on_the_page_are_what_pdb_says(which: int, plain_program: Path) -> None:
    transcript = re.findall(r"```pdb\n(.*?)```", PAGE.read_text(), re.S)[which]
    first_line, *_ = lines_with(APPLICATION, WALK)
    parts = re.split(r"(?m)^\(Pdb\) (.*)$", transcript.replace("NUMBER", str(first_line)))
    pdb = Pdb("-m", "pdb", str(plain_program)) if which else Pdb(str(DEMO))
    for command, answer in zip(parts[1::2], parts[2::2]):
        # Where pdb says it stands differs between machines, and between versions of Python.
        said = [line for line in pdb(command).splitlines() if not re.match(r"> |-> |\[|--|Breakpoint", line)]
        assert said == answer.split("\n")[1:-1], command
    pdb.close()


# ---- debugpy -----------------------------------------------------------------------------------------------


class Adapter:
    """debugpy's adapter, spoken to as VS Code does: the Debug Adapter Protocol over its standard streams."""

    def __init__(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-m", "debugpy.adapter"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env=ENVIRONMENT,
            cwd=ROOT,
        )
        self._numbers = count(1)
        self._events: list[dict[str, Any]] = []
        self.output = ""

    def send(self, command: str, **arguments: Any) -> int:
        number = next(self._numbers)
        body = json.dumps({"seq": number, "type": "request", "command": command, "arguments": arguments}).encode()
        assert self.process.stdin
        self.process.stdin.write(b"Content-Length: %d\r\n\r\n%s" % (len(body), body))
        self.process.stdin.flush()
        return number

    def ask(self, command: str, **arguments: Any) -> dict[str, Any]:
        return self.response(self.send(command, **arguments))

    def response(self, number: int) -> dict[str, Any]:
        for message in self._messages():
            if message["type"] == "response" and message["request_seq"] == number:
                assert message["success"], message
                return message.get("body") or {}
            self._keep(message)
        raise AssertionError("the adapter has gone")

    def event(self, *names: str) -> dict[str, Any]:
        while True:
            for event in self._events:
                if event["event"] in names:
                    self._events.remove(event)
                    return event
            self._keep(next(self._messages()))

    def _keep(self, message: dict[str, Any]) -> None:
        if message["type"] == "event":
            self._events.append(message)
            if message["event"] == "output":
                self.output += message["body"]["output"]

    def _messages(self) -> Iterator[dict[str, Any]]:
        stream = self.process.stdout
        assert stream
        while header := stream.readline():
            if header.lower().startswith(b"content-length:"):
                stream.readline()
                yield json.loads(stream.read(int(header.split(b":")[1])))

    def launch(self, program: Path, breakpoints: dict[Path, list[dict[str, Any]]]) -> None:
        self.ask("initialize", clientID="test", adapterID="debugpy", pathFormat="path")
        configuration = launch_configurations()["One backward pass (stops inside the walk)"]
        launched = self.send("launch", **{**configuration, "program": str(program), "python": [sys.executable]})
        self.event("initialized")
        for path, lines in breakpoints.items():
            self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=lines)
        self.ask("configurationDone")
        self.response(launched)

    def stops(self) -> Iterator[tuple[str, dict[str, str]]]:
        """At every stop: the name of the function, and its local variables."""
        while (event := self.event("stopped", "terminated"))["event"] == "stopped":
            thread = event["body"]["threadId"]
            frame = self.ask("stackTrace", threadId=thread, levels=1)["stackFrames"][0]
            scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
            variables = self.ask("variables", variablesReference=scope["variablesReference"])["variables"]
            found = {variable["name"]: variable["value"] for variable in variables}
            names = self.ask("evaluate", expression="node.name + '|' + parent.name", frameId=frame["id"])["result"]
            found["node"], found["parent"] = names[1:-1].split("|")
            yield frame["name"], found
            self.ask("continue", threadId=thread)

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def launch_configurations() -> dict[str, dict[str, Any]]:
    """What .vscode/launch.json says, which is JSON with comments."""
    text = (ROOT / ".vscode" / "launch.json").read_text()
    parsed = json.loads(re.sub(r"(?m)^\s*//.*$", "", text).replace("${workspaceFolder}", str(ROOT)))
    return {configuration["name"]: configuration for configuration in parsed["configurations"]}


@pytest.fixture
def adapter() -> Iterator[Adapter]:
    adapter = Adapter()
    yield adapter
    adapter.close()


def test_every_launch_configuration_steps_into_the_package() -> None:
    for name, configuration in launch_configurations().items():
        assert configuration["justMyCode"] is False, name
        program = configuration.get("program", "${file}")
        assert program == "${file}" or Path(program).exists()


def test_debugpy_stops_at_a_breakpoint_set_on_a_value(adapter: Adapter) -> None:
    adapter.launch(DEMO, {})
    seen = []
    for function, variables in adapter.stops():
        assert function == "walk"
        seen.append(tuple(variables[name] for name in LOCALS))
    assert seen == [step for step in expected_steps() if step[1] == "w"]
    assert "w.grad = -0.160292" in adapter.output


def test_debugpy_stops_at_every_application_of_the_chain_rule(adapter: Adapter, plain_program: Path) -> None:
    adapter.launch(plain_program, {WALK: [{"line": line} for line in lines_with(APPLICATION, WALK)]})
    seen = [tuple(variables[name] for name in LOCALS) for _, variables in adapter.stops()]
    assert seen == expected_steps()


def test_debugpy_evaluates_conditions_with_the_names_of_the_walk(adapter: Adapter, plain_program: Path) -> None:
    condition = "node.op == 'tanh' and node.time_step < 3"
    lines = [{"line": line, "condition": condition} for line in lines_with(APPLICATION, WALK)]
    adapter.launch(plain_program, {WALK: lines})
    assert [variables["node"] for _, variables in adapter.stops()] == ["h_2", "h_1"]


def test_what_debuggers_show_of_a_value_is_one_short_line() -> None:
    node = Value(1 / 3, label="a label as long as people make them") * 7
    assert len(repr(node)) < 100
    assert "\n" not in repr(node)
