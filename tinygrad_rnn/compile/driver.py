"""The loops around compiled time steps, as LLVM assembly: over the sequences, forward in time, and back.

In Python it would read::

    for group in groups of `lanes` sequences:
        gradient = 0
        for window in windows of `window` time steps:           # one window, without truncation
            state[0] = h0, or where the window before ended
            for t in window:            forward(t)              # reads state[t - 1], writes state[t]
            state_gradient[last t] = 0
            for t in reversed(window):  backward(t)             # adds to gradient, writes state_gradient[t - 1]
        for lane in lanes:  total += gradient of the lane       # sequence by sequence, in order
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from .emit import ARGUMENTS, PARAMETERS

#: What Python hands over: addresses and sizes, 8 bytes each, in this order.
FIELDS = (
    "what", "groups", "steps", "window",  # what: 1 for forward only, 3 for forward and backward
    "parameter", "x", "target", "h0", "new_h", "h0_gradient", "total", "losses", "variants", "x.stride",
    "target.stride",  # up to here per run; then the working memory
    "packed", "loss", "seed", "gradient", "state", "saved", "state_gradients", "watched",
)  # fmt: skip


class _Code:
    """Text of a function, with loops."""

    def __init__(self) -> None:
        self.entry: list[str] = []
        self.lines: list[str] = []
        self.count = 0

    def new(self, text: str) -> str:
        self.count += 1
        self.lines.append(f"  %c{self.count} = {text}")
        return f"%c{self.count}"

    def do(self, text: str) -> None:
        self.lines.append(f"  {text}")

    def variable(self, start: str, kind: str = "i64") -> str:
        self.count += 1
        self.entry.append(f"  %c{self.count} = alloca {kind}")
        self.do(f"store {kind} {start}, ptr %c{self.count}")
        return f"%c{self.count}"

    def at(self, base: str, *offset: str) -> str:
        """The address ``base + product of offsets``, counted in numbers of 8 bytes."""
        place = offset[0]
        for factor in offset[1:]:
            place = self.new(f"mul i64 {place}, {factor}")
        return self.new(f"getelementptr inbounds double, ptr {base}, i64 {place}")

    def add(self, a: str, b: str) -> str:
        return self.new(f"add i64 {a}, {b}")

    @contextmanager
    def loop(self, count: str) -> Iterator[str]:
        """Repeat for i = 0 … count - 1."""
        variable = self.variable("0")
        label = f"l{variable[2:]}"
        self.lines += [f"  br label %{label}.test", f"{label}.test:"]
        i = self.new(f"load i64, ptr {variable}")
        going = self.new(f"icmp slt i64 {i}, {count}")
        self.lines += [f"  br i1 {going}, label %{label}.body, label %{label}.end", f"{label}.body:"]
        yield i
        self.do(f"store i64 {self.add(i, '1')}, ptr {variable}")
        self.lines += [f"  br label %{label}.test", f"{label}.end:"]

    def copy(self, source: str, target: str) -> None:
        self.do(f"store double {self.new(f'load double, ptr {source}')}, ptr {target}")

    def accumulate(self, op: str, kind: str, variable: str, value: str) -> None:
        before = self.new(f"load {kind}, ptr {variable}")
        self.do(f"store {kind} {self.new(f'{op} {kind} {before}, {value}')}, ptr {variable}")

    def clear(self, address: str, count: str) -> None:
        size = self.new(f"mul i64 {count}, 8")
        self.do(f"call void @llvm.memset.p0.i64(ptr {address}, i8 0, i64 {size}, i1 false)")


def steps_text(variants: Sequence[tuple[Sequence[str], Sequence[str]]]) -> str:
    """``@step.forward`` and ``@step.backward``, which take the number of a variant first."""
    texts = []
    for which, name in enumerate(("forward", "backward")):
        lines = [f"define internal i1 @step.{name}(i64 %variant, {PARAMETERS}) {{"]
        cases = " ".join(f"i64 {i}, label %v{i}" for i in range(len(variants)))
        lines.append(f"  switch i64 %variant, label %v0 [ {cases} ]")
        for i, sections in enumerate(variants):
            lines.append(f"v{i}:")
            alarm = "false"
            for k, section in enumerate(sections[which]):
                lines += [
                    f"  %alarm.{i}.{k} = call i1 @{section}({ARGUMENTS})",
                    f"  %sum.{i}.{k} = or i1 {alarm}, %alarm.{i}.{k}",
                ]
                alarm = f"%sum.{i}.{k}"
            lines.append(f"  ret i1 {alarm}")
        texts.append("\n".join([*lines, "}", ""]))
    return "\n".join(texts)


def driver_text(
    name: str, lanes: int, states: int, parameters: int, saved: int, watched: int, x_size: int, target_size: int
) -> str:
    """The function that Python calls.

    Args:
        name: its name.
        lanes: sequences computed side by side.
        states, parameters, saved, watched: numbers per sequence (and time step).
        x_size, target_size: numbers per time step of the inputs and of the targets.
    """
    code = _Code()
    width, row = str(lanes), str(states * lanes)
    for place_of_field, field in enumerate(FIELDS):
        kind = "i64" if field in ("what", "groups", "steps", "window", "x.stride", "target.stride") else "ptr"
        code.do(f"%{field}.at = getelementptr inbounds i64, ptr %call, i64 {place_of_field}")
        code.do(f"%{field}{'.base' if kind == 'ptr' else ''} = load {kind}, ptr %{field}.at")
    alarms = code.variable("false", "i1")
    differentiates = code.new("icmp eq i64 %what, 3")
    code.do("call void @pack(ptr %parameter.base, ptr %packed.base)")

    def step(direction: str, t: str, local: str, group: str) -> None:
        """Call the compiled step: ``t`` counts from the beginning, ``local`` within the window, both from 0."""
        first = code.new(f"mul i64 {group}, {width}")
        after = code.add(local, "1")
        places = {
            "parameter": "%parameter.base", "packed": "%packed.base", "loss": "%loss.base", "seed": "%seed.base",
            "gradient": "%gradient.base",
            "x": code.at(code.at("%x.base", first, "%x.stride"), t, str(x_size)),
            "target": code.at(code.at("%target.base", first, "%target.stride"), t, str(target_size)),
            "state": code.at("%state.base", local, row), "new_state": code.at("%state.base", after, row),
            "saved": code.at("%saved.base", local, str(saved * lanes)),
            "state_gradient": code.at("%state_gradients.base", local, row),
            "new_state_gradient": code.at("%state_gradients.base", after, row),
            "watched": code.at("%watched.base", t, str(watched * lanes)),
        }  # fmt: skip
        variant = code.new(f"load i64, ptr {code.at('%variants.base', t)}")
        arguments = ARGUMENTS
        for region, place in places.items():
            arguments = arguments.replace(f"ptr %{region},", f"ptr {place},")
        alarm = code.new(f"call i1 @step.{direction}(i64 {variant}, {arguments})")
        code.accumulate("or", "i1", alarms, alarm)

    with code.loop("%groups") as group:
        first = code.new(f"mul i64 {group}, {width}")
        code.clear("%gradient.base", str(parameters * lanes))
        with code.loop(str(states)) as s, code.loop(width) as lane:
            sequence = code.add(first, lane)
            code.copy(
                code.at(code.at("%h0.base", sequence, str(states)), s),
                code.at("%state.base", code.add(code.new(f"mul i64 {s}, {width}"), lane)),
            )
        vector = "double" if lanes == 1 else f"<{lanes} x double>"
        # The losses of the windows are added up from 0.0, those within a window from -0.0, the true neutral element.
        neutral = "-0.0" if lanes == 1 else f"<{', '.join(['double -0.0'] * lanes)}>"
        sum_of_windows = code.variable("0.0" if lanes == 1 else "zeroinitializer", vector)
        start_at = code.variable("0")
        windows = code.new(f"sdiv i64 {code.add('%steps', code.new('sub i64 %window, 1'))}, %window")
        with code.loop(windows) as window:
            start = code.new(f"load i64, ptr {start_at}")
            left = code.new(f"sub i64 %steps, {start}")
            shorter = code.new(f"icmp slt i64 {left}, %window")
            length = code.new(f"select i1 {shorter}, i64 {left}, i64 %window")
            code.do(f"store i64 {code.add(start, length)}, ptr {start_at}")
            sum_of_losses = code.variable(neutral, vector)
            with code.loop(length) as local:
                code.do(f"store {vector} {neutral}, ptr %loss.base, align 8")
                step("forward", code.add(start, local), local, group)
                loss = code.new(f"load {vector}, ptr %loss.base, align 8")
                code.accumulate("fadd", vector, sum_of_losses, loss)
            within = code.new(f"load {vector}, ptr {sum_of_losses}")
            code.accumulate("fadd", vector, sum_of_windows, within)
            back = code.new(f"select i1 {differentiates}, i64 {length}, i64 0")
            last = code.at("%state_gradients.base", length, row)
            code.clear(last, row)
            with code.loop(back) as i:
                local = code.new(f"sub i64 {code.new(f'sub i64 {length}, 1')}, {i}")
                step("backward", code.add(start, local), local, group)
            is_first = code.new(f"icmp eq i64 {window}, 0")
            with code.loop(code.new(f"select i1 {is_first}, i64 {states}, i64 0")) as s, code.loop(width) as lane:
                place = code.add(code.new(f"mul i64 {s}, {width}"), lane)
                into = code.at(code.at("%h0_gradient.base", code.add(first, lane), str(states)), s)
                gradient = code.new(f"load double, ptr {code.at('%state_gradients.base', place)}")
                code.do(f"store double {code.new(f'fadd double 0.0, {gradient}')}, ptr {into}")
            with code.loop(row) as place:
                code.copy(
                    code.at("%state.base", code.add(code.new(f"mul i64 {length}, {row}"), place)),
                    code.at("%state.base", place),
                )
        with code.loop(width) as lane:
            sequence = code.add(first, lane)
            with code.loop(str(states)) as s:
                place = code.add(code.new(f"mul i64 {s}, {width}"), lane)
                code.copy(code.at("%state.base", place), code.at(code.at("%new_h.base", sequence, str(states)), s))
            code.copy(code.at(sum_of_windows, lane), code.at("%losses.base", sequence))
        with code.loop(code.new(f"select i1 {differentiates}, i64 {parameters}, i64 0")) as p:
            total = code.at("%total.base", p)
            gradients = code.new(f"load {vector}, ptr {code.at('%gradient.base', p, width)}, align 8")
            number = code.new(f"load double, ptr {total}")
            for k in range(lanes):  # in order: this is the order of reduction that is promised
                part = gradients
                if lanes > 1:
                    part = code.new(f"extractelement {vector} {gradients}, i32 {k}")
                number = code.new(f"fadd double {number}, {part}")
            code.do(f"store double {number}, ptr {total}")
    alarm = code.new(f"load i1, ptr {alarms}")
    result = code.new(f"zext i1 {alarm} to i64")
    return "\n".join([
        f"define i64 @{name}(ptr %call) {{", "entry:", *code.entry, *code.lines, f"  ret i64 {result}", "}", "",
        "declare void @llvm.memset.p0.i64(ptr, i8, i64, i1)", "",
    ])  # fmt: skip


#: Finds the first number that is NaN or infinite: such a number minus itself is not 0.
SCAN = """define i64 @scan(ptr %call) {
entry:
  %from = load ptr, ptr %call
  %count.at = getelementptr inbounds i64, ptr %call, i64 1
  %count = load i64, ptr %count.at
  br label %test
test:
  %i = phi i64 [ 0, %entry ], [ %more, %body ]
  %going = icmp slt i64 %i, %count
  br i1 %going, label %body, label %end
body:
  %at = getelementptr inbounds double, ptr %from, i64 %i
  %number = load double, ptr %at
  %difference = fsub double %number, %number
  %finite = fcmp oeq double %difference, 0.0
  %more = add i64 %i, 1
  br i1 %finite, label %test, label %end
end:
  ret i64 %i
}
"""
