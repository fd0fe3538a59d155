"""Node.js, which runs JavaScript for the tests, and may ask Python for the functions of the C library."""

from __future__ import annotations

import json
import math
import os
import shutil
import subprocess
from collections.abc import Sequence
from typing import Any

import pytest

#: Reads a program to run from a line of standard input, runs it, and writes what it returns as a line.
RUNNER = r"""
const fs = require("fs"), vm = require("vm");
const SPECIAL = { NaN, Infinity, "-Infinity": -Infinity, "-0": -0 };
const isPlain = (x) => typeof x !== "number" || (Number.isFinite(x) && !Object.is(x, -0));
const encode = (key, x) => (!isPlain(x) ? { "#": Object.is(x, -0) ? "-0" : String(x) }
  : ArrayBuffer.isView(x) ? Array.from(x) : x);
const decode = (key, x) => (x && typeof x === "object" && "#" in x ? SPECIAL[x["#"]] : x);
let read = Buffer.alloc(0);
function line() {
  for (;;) {
    const end = read.indexOf(10);
    if (end >= 0) {
      const text = read.toString("utf8", 0, end);
      read = read.subarray(end + 1);
      return JSON.parse(text, decode);
    }
    const more = Buffer.alloc(1 << 16), got = fs.readSync(0, more);
    if (!got) process.exit();
    read = Buffer.concat([read, more.subarray(0, got)]);
  }
}
const write = (what) => fs.writeSync(1, JSON.stringify(what, encode) + "\n");
/** What Python's math gives for a function of this name. */
globalThis.ofPython = (name) => (...args) => { write({ call: name, args }); return line(); };
for (;;) {
  const { code, given } = line();
  try {
    write({ result: vm.runInThisContext("(given) => {\n\"use strict\";\n" + code + "\n}")(given) });
  } catch (error) {
    write({ error: String(error && error.stack), facts: { name: error.constructor.name, ...error } });
  }
}
"""

#: Put in front of what is run, it takes every function of the C library from Python.
FROM_PYTHON = "for (const name of Object.keys(library)) library[name] = ofPython(name);\n"


class ScriptError(Exception):
    """An error that JavaScript raised.

    Attributes:
        facts: its properties.
    """

    def __init__(self, text: str, facts: dict[str, Any]) -> None:
        super().__init__(text)
        self.facts = facts


class Node:
    """A process of Node.js."""

    def __init__(self, program: str) -> None:
        self.process = subprocess.Popen(
            [program, "-e", RUNNER], stdin=subprocess.PIPE, stdout=subprocess.PIPE, encoding="utf-8"
        )
        self.calls = 0

    def run(self, code: str, given: Any = None) -> Any:
        """Run the body of a function of ``given``, and return what it returns."""
        self._write({"code": code, "given": given})
        while True:
            answer = json.loads(self._read(), object_hook=_decode)
            if "call" not in answer:
                break
            self.calls += 1
            self._write(_of_python(answer["call"], answer["args"]))
        if "error" in answer:
            raise ScriptError(answer["error"], answer["facts"])
        return answer.get("result")

    def close(self) -> None:
        """End the process."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        self.process.stdin.close()
        self.process.stdout.close()
        self.process.wait()

    def _write(self, what: Any) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(_encode(what)) + "\n")
        self.process.stdin.flush()

    def _read(self) -> str:
        assert self.process.stdout is not None
        text = self.process.stdout.readline()
        assert text, "Node.js has ended"
        return text


def _of_python(name: str, args: Sequence[float]) -> float:
    """What the engine's arithmetic makes of Python's `math`."""
    try:
        return float(getattr(math, name)(*args))
    except OverflowError:
        return -math.inf if name == "pow" and args[0] < 0.0 and args[1] % 2.0 == 1.0 else math.inf


def _encode(what: Any) -> Any:
    if isinstance(what, float) and (not math.isfinite(what) or (what == 0.0 and math.copysign(1.0, what) < 0.0)):
        return {"#": "-0" if what == 0.0 else "NaN" if math.isnan(what) else "Infinity" if what > 0 else "-Infinity"}
    if isinstance(what, dict):
        return {key: _encode(each) for key, each in what.items()}
    if isinstance(what, (list, tuple)):
        return [_encode(each) for each in what]
    return what


def _decode(found: dict[str, Any]) -> Any:
    return float(found["#"].replace("Infinity", "inf")) if "#" in found else found


@pytest.fixture(scope="module")
def node() -> Any:
    """A process of Node.js for the tests of a module."""
    program = shutil.which("node")
    if program is None:
        message = "JAVASCRIPT IS NOT TESTED: no Node.js. Install one (apt-get install nodejs)"
        if os.environ.get("CI"):
            pytest.fail(message)
        pytest.skip(message)
    running = Node(program)
    yield running
    running.close()
