"""The terminal in front of a `Debugger`: the letters of pdb, and what is special to a backward pass."""

from __future__ import annotations

import cmd
import math
import signal
import sys
import textwrap
import threading
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from difflib import get_close_matches
from itertools import islice
from typing import TextIO

from ..engine import notation
from ..engine.steps import Step
from ..engine.value import Value
from ..errors import ArgumentError, TinygradRNNError
from ..nn.linalg import Rows
from . import expressions
from .breakpoints import GRAMMAR, Breakpoint
from .names import STEP_NAMES
from .picture import KEY, draw_flow
from .session import Debugger

_AROUND = 5  # steps that `l` lists before and after
_MOST_LINES = 40


class Terminal(cmd.Cmd):
    """Reads commands, one a line, and prints what comes of them. An empty line repeats the last one.

    Args:
        debugger: what the commands act on.
        stdin, stdout: by default those of the process. What comes from a terminal can be edited, completed
            with the tab key and recalled; anything else is a script, and is echoed.

    Attributes:
        failures: how many commands ended in an error.
    """

    prompt = "(bptt) "

    def __init__(self, debugger: Debugger, stdin: TextIO | None = None, stdout: TextIO | None = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.debugger = debugger
        self.failures = 0
        self.use_rawinput = stdin is None and sys.stdin is not None and sys.stdin.isatty()

    # ---- going on and going back --------------------------------------------------------------------------

    def do_step(self, argument: str) -> None:
        """s [N]: take a step, or N of them: apply the chain rule to one edge."""
        self._take(self.debugger.going(steps=_count(argument)))

    def do_next(self, argument: str) -> None:
        """n [N]: take all steps of a node, or those that are left of it; N: of so many nodes."""
        self._take(self.debugger.going(nodes=_count(argument)))

    def do_continue(self, argument: str) -> None:
        """c: go on to the next breakpoint, or to the end. Ctrl-C stops in between."""
        _no_argument(argument)
        with self._ctrl_c_stops():
            breakpoints = self.debugger.cont()
        for breakpoint in breakpoints:
            self._say(f"Breakpoint {breakpoint.number}: {breakpoint.text}")
        self._view()

    def do_finish(self, argument: str) -> None:
        """finish: go on to the end, whatever the breakpoints."""
        _no_argument(argument)
        with self._ctrl_c_stops():
            self.debugger.finish()
        self._view()

    def do_back(self, argument: str) -> None:
        """back [N]: undo the latest step, or N of them: the gradients are what they were, to the last bit."""
        for step in self.debugger.back(_count(argument)):
            self._say(f"undone: {step.formula};  {notation.gradient(step.parent)} = {step.gradient_before:.4g} again")
        self._view()

    def do_reset(self, argument: str) -> None:
        """reset: take the pass back to its start. Breakpoints stay."""
        _no_argument(argument)
        self.debugger.reset()
        self._view()

    def do_forward(self, argument: str) -> None:
        """forward [N]: replay the forward pass: the next step, or N steps; -N goes back."""
        for step in self.debugger.forward(_count(argument, least=-sys.maxsize)):
            self._say(str(step) if step.node.parents else f"{step}   (given)")
            if step.node.parents:
                self._say(f"    {step.formula_in_numbers}")

    # ---- breakpoints ----------------------------------------------------------------------------------------

    def do_break(self, argument: str) -> None:
        if argument:
            breakpoint = self.debugger.stop_at(argument)
            self._say(f"Breakpoint {breakpoint.number}: {breakpoint.text}")
        else:
            self._say(*(map(_listed, self.debugger.breakpoints.values()) if self.debugger.breakpoints else ["none"]))

    do_break.__doc__ = f"Stop at a breakpoint when continuing:\n\n{GRAMMAR}\n\nhelp p says what a CONDITION may be."

    def do_clear(self, argument: str) -> None:
        """clear [N]: remove breakpoint number N, or all."""
        numbers = list(self.debugger.breakpoints) if argument in ("", "all") else [_count(argument)]
        for number in numbers:
            self._say(f"removed: {_listed(self.debugger.clear(number))}")

    # ---- the step in view ------------------------------------------------------------------------------------

    def do_p(self, argument: str) -> None:
        value = self.debugger.value(argument) if argument else self.debugger.view
        self._say(str(value) if isinstance(value, Step) else repr(value))

    do_p.__doc__ = f"""p EXPRESSION: its value at the step in view.

Names: {", ".join(STEP_NAMES)}
(grad is that of node, before and after are those of parent), and the labels of the nodes: h_3.grad, W[0,1].data;
"any label".grad for a label that is no Python name.
A node has {", ".join(expressions.ATTRIBUTES)}.
Arithmetic, comparisons, and, or, not, in, is, a if b else c; {", ".join(expressions.FUNCTIONS)}.
Nothing else can be called or read: expressions are evaluated by the debugger, not by Python."""

    def do_where(self, argument: str) -> None:
        """w: the way of the gradient from the loss to the step in view, the latest last."""
        _no_argument(argument)
        path = self.debugger.path()
        self._lines([f"{'>' if step is self.debugger.view else ' '} {step}" for step in path], keep="last")

    def do_up(self, argument: str) -> None:
        """u [N]: look at the step that brought the gradient to the node in view: one level up, towards the loss."""
        self.debugger.up(_count(argument))
        self._view()

    def do_down(self, argument: str) -> None:
        """d [N]: look one level down, towards the latest step."""
        self.debugger.down(_count(argument))
        self._view()

    def do_list(self, argument: str) -> None:
        """l [N]: the latest N steps (5), the current one, and the N to come."""
        count = _count(argument) if argument else _AROUND
        done = self.debugger.latest(1 + count)
        first = self.debugger.steps.taken - len(done) + 1
        for number, step in enumerate(done, first):
            self._say(f"{'->' if step is self.debugger.steps.last else '  '} {number:>5}  {step}")
        for number, (node, position) in enumerate(islice(self.debugger.upcoming(), count), first + len(done)):
            sides = notation.derivative(node, node.parents[position]), notation.local_formula(node, position)
            self._say(f"   {number:>5}  {notation.time_step(node)}{' = '.join(filter(None, sides))}  to come")

    # ---- what has flowed so far --------------------------------------------------------------------------------

    def do_grads(self, argument: str) -> None:
        """grads [PATTERN]: the gradients of the parameters and states, or of the nodes called like h_*, so far."""
        nodes = self.debugger.nodes(argument or None)
        if not nodes:
            raise ArgumentError(f"no label is like {argument!r}" if argument else "no node has a label")
        width = max(len(node.label) for node in nodes)
        self._lines(
            [f"{node.label:>{width}}.grad = {notation.number(node.grad):<11} {self._state(node)}" for node in nodes]
        )

    def do_why(self, argument: str) -> None:
        """why w: which steps have added to w.grad so far; why W: to all entries of W."""
        if not argument:
            raise ArgumentError("why needs a node", remedy="Name it: why w")
        found = self.debugger.why(argument)
        self._lines(
            [
                f"{notation.time_step(step.node)}{step.formula}, times {notation.number(step.gradient)}, "
                f"adds {notation.number(step.contribution)} to {notation.gradient(step.parent)}"
                for step in found
            ]
        )
        nodes = self.debugger.labels.entries(argument)
        if len(nodes) == 1:
            self._say(self._sum(nodes[0], found))
        elif not found:
            self._say(f"nothing has reached {argument} yet")

    def do_chain(self, argument: str) -> None:
        """chain K: the product of the Jacobians J_t from the last state back to h_K, so far."""
        if not argument:
            raise ArgumentError("chain needs a time step", remedy="Name it: chain 3")
        rows = self.debugger.chain(_count(argument, least=0))
        last = rows[0].t
        table = [("t", "J_{t+1}", f"J_{last} ⋯ J_{{t+1}}", "∂L/∂h_t", "")]
        for row in rows:
            arrived = "so far" if any(row.gradient) else "to come"
            if not row.connected:
                arrived = f"no way from {notation.name(self.debugger.loss)}: cut off"
            table.append(
                (
                    str(row.t),
                    _norm(row.J) if row.J else "",
                    _norm(row.jacobian) if row.jacobian and row.t < last else "",
                    _norm([row.gradient]),
                    "" if row.complete else arrived,
                )
            )
        widths = [max(map(len, column)) for column in zip(*table)]
        self._lines(["  ".join(f"{cell:>{width}}" for cell, width in zip(line, widths)).rstrip() for line in table])
        if len(rows[0].gradient) > 1:
            self._say("Of vectors and matrices, the norm (Euclidean, Frobenius).")

    def do_graph(self, argument: str) -> None:
        """graph [FILE]: draw what has flowed so far into a .svg, .png or .dot file (backward.svg)."""
        self._say(f"written: {draw_flow(self.debugger).save(argument or 'backward.svg')}   ({KEY})")

    # ---- leaving -------------------------------------------------------------------------------------------------

    def do_quit(self, argument: str) -> bool:
        """q: leave. The gradients stay as they are: if the pass is not complete, those of a pass half-way."""
        steps = self.debugger.steps
        if steps.taken and not steps.finished:
            self._say(
                f"Left after {steps.taken} of {self.debugger.total} steps: the gradients are those of a pass half-way."
            )
        return True

    def do_EOF(self, argument: str) -> bool:  # noqa: N802  # the name that cmd gives to the end of the input
        self._say("")
        return self.do_quit(argument)

    def do_help(self, arg: str) -> None:
        """help [COMMAND]: what a command does."""
        if arg:
            command = getattr(self, f"do_{self._full(arg)}", None)
            if command is None:
                raise ArgumentError(self._unknown(arg))
            self._say(textwrap.dedent(command.__doc__))
            return
        self._say("An empty line repeats the last command. A command may be cut short: con, rese.", "")
        for name in _COMMANDS:
            text = (getattr(self, f"do_{name}").__doc__ or "").splitlines()[0]
            self._say(f"  {text}" if name != "break" else "  b [WHERE] [if CONDITION]: set or list breakpoints: help b")

    # ---- the loop --------------------------------------------------------------------------------------------------

    def do(self, *commands: str) -> None:
        """Carry out commands, such as ``"b h_3"``, and print what they say."""
        for command in commands:
            self.onecmd(command)

    def run(self, script: Iterable[str] | None = None) -> int:
        """Carry out the commands of a script or, without one, read them from stdin until the end.

        Lines of a script that begin with ``#`` are left out.

        Returns:
            1 if a command of a script failed, else 0.
        """
        if script is not None:
            for line in script:
                if line.startswith("#"):
                    continue
                self._say(f"{self.prompt}{line.rstrip()}")
                if self.onecmd(line):
                    break
            return 1 if self.failures else 0
        self._view()
        if not self.use_rawinput:
            return self.run(iter(self.stdin.readline, ""))
        with _whole_labels_completed():
            while self._interrupted():
                self._say("", "Type q to leave.")
        return 0

    def _interrupted(self) -> bool:
        try:
            self.cmdloop()
        except KeyboardInterrupt:
            return True
        return False

    def onecmd(self, line: str) -> bool:
        """Carry out a command. An error of the user is one line."""
        name, _, argument = line.strip().partition(" ")
        try:
            if not name:
                return bool(self.emptyline())
            if name != "EOF":
                self.lastcmd = line
            command = getattr(self, f"do_{self._full(name)}", None)
            if command is None:
                raise ArgumentError(self._unknown(name))
            return bool(command(argument.strip()))
        except TinygradRNNError as error:
            self.failures += 1
            self._say(f"*** {' '.join(str(error).split())}")
            return False

    def completenames(self, text: str, *ignored: object) -> list[str]:
        """Commands that begin like this."""
        return [name for name in (*_COMMANDS, *_LETTERS) if name.startswith(text)]

    def completedefault(self, *arguments: object) -> list[str]:
        """Names and labels that begin like the word before the cursor."""
        text = str(arguments[0])
        known = (*STEP_NAMES, *self.debugger.labels)
        dotted, dot, begun = text.rpartition(".")
        if dot:
            return [f"{dotted}.{name}" for name in expressions.ATTRIBUTES if name.startswith(begun)]
        return sorted({name for name in known if name.startswith(text)})

    def complete_break(self, text: str, line: str, begin: int, end: int) -> list[str]:
        """What may follow b."""
        if line[:begin].split()[-1:] == ["op"]:
            ops = {node.op for node in self.debugger.steps.order if node.parents}
            return sorted(op for op in ops if op.startswith(text))
        words = [word for word in ("if", "nan", "op", "t") if word.startswith(text)]
        return words + self.completedefault(text)

    complete_b = complete_break

    def _full(self, name: str) -> str:
        if name in _LETTERS:
            return _LETTERS[name]
        begun = [command for command in _COMMANDS if command.startswith(name)]
        return begun[0] if len(begun) == 1 else name

    def _unknown(self, name: str) -> str:
        begun = [command for command in _COMMANDS if command.startswith(name)]
        close = begun or get_close_matches(name, _COMMANDS, n=1)
        return f"no command {name[:40]!r}" + (f": did you mean {' or '.join(close)}?" if close else "; help lists them")

    # ---- saying --------------------------------------------------------------------------------------------------

    def _say(self, *lines: str) -> None:
        for line in lines:
            self.stdout.write(f"{line}\n")

    def _lines(self, lines: list[str], keep: str = "first") -> None:
        """Print lines; of very many, the first or the last ones."""
        if len(lines) > _MOST_LINES:
            left_out = f"… {len(lines) - _MOST_LINES} more"
            lines = [*lines[:_MOST_LINES], left_out] if keep == "first" else [left_out, *lines[-_MOST_LINES:]]
        self._say(*lines)

    def _take(self, going: Iterator[Step]) -> None:
        """Take steps and show them; of very many, the latest ones, which is all that is kept of them here."""
        before = self.debugger.steps.taken
        with self._ctrl_c_stops():
            latest = deque(going, maxlen=_MOST_LINES)
        after = self.debugger.steps.taken
        if after - before > len(latest):
            self._say(f"… {after - before - len(latest)} more")
        self._say(*(self._numbered(number, step) for number, step in enumerate(latest, after - len(latest) + 1)))
        if self.debugger.steps.finished:
            self._view()

    def _numbered(self, number: int, step: Step) -> str:
        return f"[{number}/{self.debugger.total}] {step}"

    def _view(self) -> None:
        debugger = self.debugger
        view = debugger.view
        if view is None:
            start = f"{notation.gradient(debugger.loss)} = {notation.number(debugger.loss.grad)}"
            self._say(f"At the start: {start}; {debugger.total} steps to take. help lists the commands.")
        elif view is not debugger.steps.last:
            self._say(f"[{debugger.depth} up] {view}")
        elif not debugger.steps.finished:
            self._say(self._numbered(debugger.steps.taken, view))
        else:
            leaves = [node for node in debugger.nodes() if not node.parents and node.time_step is None]
            shown = [f"{notation.gradient(leaf)} = {notation.number(leaf.grad)}" for leaf in leaves[:6]]
            shown += [f"… {len(leaves) - 6} more: grads"] if len(leaves) > 6 else []
            self._say(f"The pass is complete: {debugger.total} steps. {', '.join(shown)}".rstrip())

    def _state(self, node: Value) -> str:
        if self.debugger.is_complete(node):
            return ""
        return "so far" if self.debugger.is_reached(node) else "to come"

    def _sum(self, node: Value, steps: list[Step]) -> str:
        gradient = f"{notation.gradient(node)} = {notation.number(node.grad)}"
        if node is self.debugger.loss:
            return f"{gradient}: the pass starts here"
        if not steps:
            return f"{gradient}: nothing has reached it yet"
        before = steps[0].gradient_before
        from_before = f", {notation.number(before)} of it from before this pass" if before else ""
        return f"{gradient} {self._state(node)}".rstrip() + from_before

    @contextmanager
    def _ctrl_c_stops(self) -> Iterator[None]:
        """Within this context Ctrl-C asks the debugger to stop between two steps, where it can go on later."""

        def ask(*_: object) -> None:
            self.debugger.stop_requested = True

        if threading.current_thread() is not threading.main_thread():
            yield  # signals are the main thread's
            return
        before = signal.signal(signal.SIGINT, ask)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


_COMMANDS = (
    *("step", "next", "continue", "finish", "back", "reset", "break", "clear"),
    *("p", "where", "up", "down", "list", "grads", "why", "chain", "graph", "forward", "help", "quit"),
)
_LETTERS = {
    "s": "step",
    "n": "next",
    "c": "continue",
    "b": "break",
    "cl": "clear",
    "w": "where",
    "l": "list",
    "q": "quit",
    "u": "up",
    "d": "down",
    "h": "help",
    "?": "help",
}


def _count(text: str, least: int = 1) -> int:
    """The number after a command; 1 if there is none.

    Raises:
        ArgumentError: it is not a whole number, or too small.
    """
    try:
        number = int(text or "1")
    except ValueError:
        raise ArgumentError(f"{text[:40]!r} is not a whole number") from None
    if number < least:
        raise ArgumentError(f"{number} is less than {least}")
    return number


def _no_argument(text: str) -> None:
    if text:
        raise ArgumentError(f"this command takes no {text[:40]!r}")


def _listed(breakpoint: Breakpoint) -> str:
    hits = f"   (stopped {breakpoint.hits} times)" if breakpoint.hits else ""
    return f"{breakpoint.number}: {breakpoint.text}{hits}"


def _norm(rows: Rows) -> str:
    """A number itself; of a vector or matrix, the norm."""
    entries = [entry for row in rows for entry in row]
    return notation.number(entries[0] if len(entries) == 1 else math.hypot(*entries))


@contextmanager
def _whole_labels_completed() -> Iterator[None]:
    """Within this context the tab key completes whole labels such as ``W[0,1]``, not the part behind a bracket."""
    try:
        import readline
    except ImportError:  # there is none on this system: no completion
        yield
        return
    before = readline.get_completer_delims()
    readline.set_completer_delims(" \t\n")
    try:
        yield
    finally:
        readline.set_completer_delims(before)
