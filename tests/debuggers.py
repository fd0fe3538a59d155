"""Python debuggers, driven as a person drives them: pdb over a pipe, debugpy (VS Code) over its protocol."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

from tinygrad_rnn.engine import backward

ROOT = Path(__file__).parents[1]
WALK = Path(backward.__file__)
DEMO = ROOT / "demos" / "one_backward_pass.py"
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8", "PYTHONBREAKPOINT": ""}

#: The one line of the package that applies the chain rule.
APPLICATION = "parent._grad += contribution"
LOCALS = ("node", "parent", "local_gradient", "contribution")


def lines_with(text: str, path: Path) -> list[int]:
    """The numbers of the lines that say this."""
    return [n for n, line in enumerate(path.read_text().splitlines(), 1) if line.strip() == text]


class Where(NamedTuple):
    """Where pdb stands."""

    file: str
    line: int
    function: str
    source: str
    event: str  # "Call", "Return", or "" on a line


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

    def at(self, command: str) -> Where:
        """Where pdb stands after a command."""
        said = self(command)
        place = re.search(r"> (\S+?)\((\d+)\)(\S+?)\(\)", said)
        assert place, said
        source = re.search(r"-> (.*)", said)
        event = re.search(r"--(Call|Return)--", said)
        return Where(
            Path(place[1]).name, int(place[2]), place[3], source[1] if source else "", event[1] if event else ""
        )

    def keys(self, line: int, arrived: Callable[[Where, Where], bool], key: Callable[[Where | None], str]) -> list[int]:
        """How many keystrokes it takes from a line of the program until something is reached, as often as it is before
        the program goes on to its next line; last, the keystrokes until that.
        """
        self(f"tbreak {line}")
        start = self.at("c")
        before: Where | None = None
        found = []
        for number in range(1, 600):
            now = self.at(key(before))
            if before and arrived(before, now):
                found.append(number)
            if now.file == start.file and now.line != line:
                return [*found, number]
            before = now
        raise AssertionError("the line does not end")


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

    def launch(self, program: Path, breakpoints: dict[Path, list[dict[str, Any]]], **settings: Any) -> None:
        self.ask("initialize", clientID="test", adapterID="debugpy", pathFormat="path")
        configuration = launch_configurations()["One backward pass (stops inside the walk)"]
        launched = self.send(
            "launch", **{**configuration, "program": str(program), "python": [sys.executable], **settings}
        )
        self.event("initialized")
        for path, lines in breakpoints.items():
            self.ask("setBreakpoints", source={"path": str(path)}, breakpoints=lines)
        self.ask("configurationDone")
        self.response(launched)

    def stops(self) -> Iterator[tuple[str, dict[str, str]]]:
        """At every stop: the name of the function, and its local variables."""
        while (thread := self.stopped()) is not None:
            frame = self.frame(thread)
            found = {name: variable["value"] for name, variable in self.locals(frame).items()}
            names = self.ask("evaluate", expression="node.name + '|' + parent.name", frameId=frame["id"])["result"]
            found["node"], found["parent"] = names[1:-1].split("|")
            yield frame["name"], found
            self.ask("continue", threadId=thread)

    def stopped(self) -> int | None:
        """The thread that has stopped; None if the program has ended."""
        event = self.event("stopped", "terminated")
        return event["body"]["threadId"] if event["event"] == "stopped" else None

    def frame(self, thread: int, level: int = 0) -> dict[str, Any]:
        """A frame of the stack, the innermost by default."""
        return self.ask("stackTrace", threadId=thread, startFrame=level, levels=1)["stackFrames"][0]

    def locals(self, frame: dict[str, Any]) -> dict[str, dict[str, Any]]:
        """The local variables of a frame, by name."""
        scope = self.ask("scopes", frameId=frame["id"])["scopes"][0]
        return {variable["name"]: variable for variable in self.rows(scope)}

    def rows(self, variable: dict[str, Any]) -> list[dict[str, Any]]:
        """What the variables pane shows when a variable is opened."""
        return self.ask("variables", variablesReference=variable["variablesReference"])["variables"]

    def close(self) -> None:
        self.process.kill()
        self.process.communicate()


def launch_configurations() -> dict[str, dict[str, Any]]:
    """What .vscode/launch.json says, which is JSON with comments."""
    text = (ROOT / ".vscode" / "launch.json").read_text()
    parsed = json.loads(re.sub(r"(?m)^\s*//.*$", "", text).replace("${workspaceFolder}", str(ROOT)))
    return {configuration["name"]: configuration for configuration in parsed["configurations"]}
