"""The terminal in front of a `Debugger`: pdb's commands, and what is special to a backward pass."""

from __future__ import annotations

import cmd
import signal
import sys
import textwrap
import threading
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import TextIO

from ..engine.steps import Step
from ..errors import ArgumentError, TinygradRNNError
from ..support.progress import late_clock
from ..support.text import count
from . import wording
from .breakpoints import GRAMMAR, Breakpoint
from .commands import COMMANDS, LETTERS, full_name, no_argument, number_after, split_line, unknown
from .expressions import HELP, STEP_NAMES, Expression
from .session import Debugger

_AROUND = 5  # steps that `l` lists before and after
_ATTRIBUTES = ("data", "grad", "has_grad", "label", "name", "op", "parents", "time_step")


class Terminal(cmd.Cmd):
    """Reads commands, one per line, and prints their results. An empty line repeats the last command.

    Args:
        debugger: what the commands act on.
        stdin, stdout: by default those of the process. What comes from a terminal can be edited, completed
            with the tab key and recalled; anything else is a script, and is echoed.

    Attributes:
        failures: how many commands ended in an error.
        displayed: expressions printed at every stop.
    """

    prompt = "(bptt) "

    def __init__(self, debugger: Debugger, stdin: TextIO | None = None, stdout: TextIO | None = None) -> None:
        super().__init__(stdin=stdin, stdout=stdout)
        self.debugger = debugger
        self.failures = 0
        self.displayed: dict[str, Expression] = {}
        self._output: list[str] = []  # printed at the end of a command, when its clock is gone
        self.use_rawinput = stdin is None and sys.stdin is not None and sys.stdin.isatty()

    # ---- going on and going back --------------------------------------------------------------------------

    def do_step(self, argument: str) -> None:
        """s [N]: take the next step, or N steps: apply the chain rule to one edge."""
        with self._ctrl_c_stops():
            self._show(self.debugger.step(number_after(argument)))

    def do_next(self, argument: str) -> None:
        """n [N]: take all steps of a node, or those that are left of it; N: of so many nodes."""
        with self._ctrl_c_stops():
            self._show(self.debugger.next(number_after(argument)))

    def do_continue(self, argument: str) -> None:
        """c [N]: go on to the next breakpoint, or to the N-th; or to the end. Ctrl-C stops in between."""
        hit: list[Breakpoint] = []
        try:
            with self._ctrl_c_stops():
                for _ in range(number_after(argument)):
                    hit = self.debugger.cont()
                    if not hit:
                        break
        except ArgumentError:
            self._view()
            raise
        self._write(*(f"Stopped at breakpoint {each.number}: {each.text} (hit {each.hits})" for each in hit))
        self._view()

    def do_finish(self, argument: str) -> None:
        """finish: go on to the end, whatever the breakpoints."""
        no_argument(argument)
        with self._ctrl_c_stops():
            self.debugger.finish()
        self._view()

    def do_back(self, argument: str) -> None:
        """back [N]: undo the latest step, or N of them: the gradients are what they were, to the last bit."""
        with self._ctrl_c_stops():
            undone = self.debugger.back(number_after(argument))
        self._undone(len(undone))

    def do_rc(self, argument: str) -> None:
        """rc: undo steps, back to the previous breakpoint, or to the start."""
        no_argument(argument)
        taken = self.debugger.taken
        try:
            with self._ctrl_c_stops():
                hit = self.debugger.rcont()
        except ArgumentError:
            self._view()
            raise
        self._write(*(f"Back at breakpoint {each.number}: {each.text}" for each in hit))
        self._undone(taken - self.debugger.taken)

    def do_reset(self, argument: str) -> None:
        """reset: take the pass back to its start. Breakpoints stay."""
        no_argument(argument)
        self.debugger.reset()
        self._view()

    def do_forward(self, argument: str) -> None:
        """forward [N]: replay the forward pass: the next step, or N steps; -N goes back."""
        for step in self.debugger.forward(number_after(argument, least=-sys.maxsize)):
            self._write(str(step) if step.node.parents else f"{step}   (given)")
            if step.node.parents:
                self._write(f"    {step.formula_in_numbers}")

    # ---- breakpoints ----------------------------------------------------------------------------------------

    def do_break(self, argument: str) -> None:
        if argument:
            self._set(argument)
        elif self.debugger.breakpoints:
            self._write(*map(wording.breakpoint_line, self.debugger.breakpoints.values()))
        else:
            self._write("No breakpoints. Set one: b h_3, b op tanh, b if gradient < 0 (help b lists the forms)")

    do_break.__doc__ = f"Stop at a breakpoint when continuing:\n\n{GRAMMAR}\n\n{HELP}"

    def do_tbreak(self, argument: str) -> None:
        """tbreak WHERE: set a breakpoint, as b does, that is removed when it has stopped the pass."""
        if not argument:
            raise ArgumentError("tbreak needs a place", remedy="Name it: tbreak h_3")
        self._set(argument, temporary=True)

    def do_clear(self, argument: str) -> None:
        """clear [N]: remove breakpoint number N, several of them, or all."""
        everything = argument in ("", "all")
        for number in list(self.debugger.breakpoints) if everything else map(number_after, argument.split()):
            self._write(f"Removed: {wording.breakpoint_line(self.debugger.clear(number))}")

    def _set(self, where: str, temporary: bool = False) -> None:
        found = self.debugger.stop_at(where, temporary)
        self._write(f"{'Temporary breakpoint' if temporary else 'Breakpoint'} {found.number} at {found.text}")

    # ---- the step in view ------------------------------------------------------------------------------------

    def do_p(self, argument: str) -> None:
        step = self.debugger.view
        if argument:
            self._write(*wording.folded(wording.values(self.debugger.value(argument))))
        else:
            self._write(*([wording.no_next_step(self.debugger)] if step is None else wording.parts(step)))

    do_p.__doc__ = f"""p EXPRESSION: its value at the step in view; p alone: the parts of that step.

{HELP}"""

    def do_display(self, argument: str) -> None:
        """display [EXPRESSION]: print an expression at every stop; display alone: all of them, now."""
        if argument:
            self.displayed[argument] = Expression(argument, self.debugger.names)
        elif not self.displayed:
            self._write("Nothing is displayed. Name an expression: display w.grad")
        self._display(argument)

    def do_undisplay(self, argument: str) -> None:
        """undisplay [EXPRESSION]: stop displaying an expression; undisplay alone: all of them."""
        if argument and argument not in self.displayed:
            raise ArgumentError(f"{argument!r} is not displayed")
        for text in [argument] if argument else list(self.displayed):
            del self.displayed[text]

    def do_where(self, argument: str) -> None:
        """w: the path of the gradient from the loss to the next step, the last line. > marks the step in view."""
        no_argument(argument)
        path = self.debugger.path()
        lines = [f"{'>' if step is self.debugger.view else ' '} {step}" for step in path]
        self._write(*wording.folded(lines, keep="last"))
        if not path:
            self._write(wording.no_next_step(self.debugger))

    def do_up(self, argument: str) -> None:
        """u [N]: look at the step that brought the gradient to the node in view: one level up, towards the loss."""
        self.debugger.up(number_after(argument))
        self._view()

    def do_down(self, argument: str) -> None:
        """d [N]: look one level down, towards the next step."""
        self.debugger.up(-number_after(argument))
        self._view()

    def do_list(self, argument: str) -> None:
        """l [N]: the latest N steps (default: 5), the next one (->), and the N after it."""
        steps = min(number_after(argument), self.debugger.total) if argument else _AROUND
        self._write(*wording.around(self.debugger, steps))

    # ---- what has flowed so far --------------------------------------------------------------------------------

    def do_grads(self, argument: str) -> None:
        """grads [NAME]: the gradients of the parameters and states, or of nodes such as W or h_*, so far."""
        nodes = self.debugger.nodes(argument or None)
        if not nodes:
            raise ArgumentError("no parameter or state has a label", remedy="Name a node: grads NAME")
        self._write(*wording.folded(wording.gradients(self.debugger, nodes)))

    def do_why(self, argument: str) -> None:
        """why w: which steps have added to w.grad so far; why W, why h_*, why w·h_1: to that of such nodes."""
        if not argument:
            raise ArgumentError("why needs a node", remedy="Name it: why w")
        found = self.debugger.why(argument)
        self._write(*wording.folded(wording.additions(found)))
        nodes = self.debugger.names.find(argument)
        if len(nodes) == 1:
            self._write(wording.account(self.debugger, nodes[0], found))
        elif not found:
            self._write(f"nothing has reached {argument} yet")

    def do_chain(self, argument: str) -> None:
        """chain K: the product of the Jacobians J_t from the last state back to h_K, so far."""
        if not argument:
            raise ArgumentError("chain needs a time step", remedy="Name it: chain 3")
        self._write(*wording.chain(self.debugger, number_after(argument, least=0)))

    def do_graph(self, argument: str) -> None:
        """graph [FILE]: draw what has flowed so far into a .svg, .png, .pdf or other file (default: backward.svg)."""
        from .picture import KEY, draw_flow  # as slow to import as all else together

        self._write(f"written: {draw_flow(self.debugger).save(argument or 'backward.svg').resolve()}   ({KEY})")

    # ---- leaving -------------------------------------------------------------------------------------------------

    def do_quit(self, argument: str) -> bool:
        """q: leave. The gradients stay as they are, also those of an incomplete pass."""
        debugger = self.debugger
        if debugger.taken and not debugger.steps.finished:
            self._write(
                f"Left after {debugger.taken} of {count(debugger.total, 'step')}: "
                "the gradients are those of an incomplete pass."
            )
        return True

    def do_EOF(self, argument: str) -> bool:  # noqa: N802  # the name that cmd gives to the end of the input
        self._write("")
        return self.do_quit(argument)

    def do_help(self, arg: str) -> None:
        """help [COMMAND]: what a command does."""
        if arg:
            name = full_name(arg)
            if not hasattr(self, f"do_{name}"):
                raise unknown(arg)
            self._write(self._help_of(name))
            return
        self._write(
            "-> marks the next step: its numbers are computed, but not added yet.",
            "An empty line repeats the last one. Commands may be cut short (con, rese), and stand on one line (n; n).",
            "# begins a comment.",
            "",
        )
        for name in COMMANDS:
            text = self._help_of(name).splitlines()[0]
            self._write(
                f"  {text}" if name != "break" else "  b [WHERE] [if CONDITION]: set or list breakpoints: help b"
            )

    def _help_of(self, name: str) -> str:
        documented = getattr(self, f"do_{name}").__doc__
        return textwrap.dedent(documented) if documented else f"{name} (with python -OO, there is no help)"

    # ---- the loop --------------------------------------------------------------------------------------------------

    def do(self, *commands: str) -> None:
        """Carry out commands, such as ``"b h_3"``, and print their output."""
        for command in commands:
            self.onecmd(command)

    def run(self, script: Iterable[str] | None = None) -> int:
        """Carry out the commands of a script or, without one, read them from stdin until the end.

        Returns:
            1 if a command of a script failed, else 0.
        """
        if script is not None:
            for line in script:
                if line.lstrip().startswith("#"):
                    continue
                self._write(f"{self.prompt}{line.rstrip()}")
                self._print()
                if self.onecmd(line):
                    break
            return 1 if self.failures else 0
        self._view()
        self._print()
        if not self.use_rawinput:
            return self.run(iter(self.stdin.readline, ""))
        with _whole_labels_completed():
            while self._interrupted():
                self._write("", "Type q to leave.")
                self._print()
        return 0

    def _interrupted(self) -> bool:
        try:
            self.cmdloop()
        except KeyboardInterrupt:
            return True
        return False

    def onecmd(self, line: str) -> bool:
        """Carry out the commands on a line. An error of the user is one line."""
        if not line.strip():
            return bool(self.emptyline())
        commands = split_line(line)
        if commands and line != "EOF":
            self.lastcmd = line
        return any(map(self._one, commands))

    def _one(self, command: str) -> bool:
        name, _, argument = command.partition(" ")
        try:
            act = getattr(self, f"do_{full_name(name)}", None)
            if act is None:
                raise unknown(name)
            with late_clock(name, self._progress):
                return bool(act(argument.strip()))
        except TinygradRNNError as error:
            self.failures += 1
            self._write(f"*** {' '.join(str(error).split())}")
            return False
        finally:
            self._print()

    def completenames(self, text: str, *ignored: object) -> list[str]:
        """Commands that begin like this."""
        return [name for name in (*COMMANDS, *LETTERS) if name.startswith(text)]

    def completedefault(self, *arguments: object) -> list[str]:
        """Names and labels that begin like the word before the cursor."""
        text = str(arguments[0])
        known = (*STEP_NAMES, *self.debugger.names)
        dotted, dot, begun = text.rpartition(".")
        if dot:
            return [f"{dotted}.{name}" for name in _ATTRIBUTES if name.startswith(begun)]
        return sorted({name for name in known if name.startswith(text)})

    def complete_break(self, text: str, line: str, begin: int, end: int) -> list[str]:
        """The words that may follow b."""
        if line[:begin].split()[-1:] == ["op"]:
            ops = {node.op for node in self.debugger.steps.order if node.parents}
            return sorted(op for op in ops if op.startswith(text))
        words = [word for word in ("if", "nan", "op", "time_step") if word.startswith(text)]
        return words + self.completedefault(text)

    complete_b = complete_tbreak = complete_break

    # ---- output --------------------------------------------------------------------------------------------------

    def _write(self, *lines: str) -> None:
        self._output += lines

    def _print(self) -> None:
        """Print the output of a command."""
        lines, self._output = self._output, []
        for line in lines:
            self.stdout.write(f"{line}\n")

    def _progress(self) -> str:
        return f"step {self.debugger.taken:,} of {self.debugger.total:,}"

    def _show(self, taken: list[Step]) -> None:
        """Show the steps that have come into view: those taken except the first, and the next one."""
        first = self.debugger.taken - len(taken) + 1
        shown = [
            f"   {wording.numbered(self.debugger, place, step)}" for place, step in enumerate(taken[1:], first + 1)
        ]
        self._write(*wording.folded(shown, keep="last"))
        self._view()

    def _undone(self, steps: int) -> None:
        self._write(f"Undone: {count(steps, 'step')}")
        self._view()

    def _view(self) -> None:
        """Show the step in view, and what is displayed."""
        self._write(*wording.in_view(self.debugger))
        self._display()

    def _display(self, only: str = "") -> None:
        for text, expression in self.displayed.items():
            if not only or text == only:
                try:
                    self._write(f"   {text} = {expression.at(self.debugger.view)!r}")
                except ArgumentError as error:
                    self._write(f"   {text}: {' '.join(str(error).split())}")

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
