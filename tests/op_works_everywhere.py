"""The op ``hypot`` of CONTRIBUTING.md in eager code, steps, debugger, pictures, page, native code and JavaScript."""

import copy
import json
import pickle
import shutil
import subprocess

import pytest

import tinygrad_rnn
from tinygrad_rnn import ScalarRNNCell, Value, draw_dot, explore, gradcheck, mse_loss, unroll
from tinygrad_rnn.compile import Number, Recurrence, compile
from tinygrad_rnn.debugger import Debugger, Terminal
from tinygrad_rnn.errors import DomainError

print(tinygrad_rnn.__file__)

# Eager code.
x, y = Value(3.0, label="x"), Value(4.0, label="y")
z = Value.apply("hypot", x, y)
loss = z * x
loss.backward()
assert (z.data, x.grad, y.grad) == (5.0, 5.0 + 3.0 * 0.6, 3.0 * 0.8)
assert gradcheck(lambda a, b: Value.apply("hypot", a, b), [x, y])
zero = Value.apply("hypot", Value(0.0), Value(0.0))
with pytest.raises(DomainError, match="operands that are not both 0") as caught:
    zero.backward()
assert caught.value.op == "hypot"
x.zero_grad()
for copied in (copy.deepcopy(z), pickle.loads(pickle.dumps(z))):
    copied.backward()
    assert copied.parents[0].grad == 0.6

# Steps and the debugger.
x.grad = y.grad = 0.0
steps = [str(step) for step in loss.backward_steps()]
assert any("x / √(x² + y²) = 0.6;" in step for step in steps), steps
x.grad = y.grad = 0.0
Terminal(Debugger(loss)).run(["b op hypot", "c", "s", "why y", "finish"])

# Pictures and the page.
dot = draw_dot(loss, local_gradients=True).source
for written in ("√(x² + y²)", "0.6", "0.8"):
    assert written in dot

# Native code: the graph, and the time step of a cell.
program = compile(z)
value, gradients = program.forward_backward()
assert (value, list(gradients)) == (5.0, [0.6, 0.8])
assert "√(x² + y²)" in program.source
assert "∂/∂x = x / " in program.source


class Cell(ScalarRNNCell):
    def step(self, x, h):
        h_t = Value.apply("hypot", self.w * h, self.u * x + self.b).tanh()
        return {"h": h_t}


cell = Cell(w=0.9, u=0.5)
inputs, targets = [1.0, 0.5, -0.5], [0.9, 0.5, 0.1]
recurrence = Recurrence(cell, x=Number(), target=Number(), loss=mse_loss)
run = recurrence.forward_backward([inputs], [targets])
_, eager = recurrence.eager(inputs, targets)
eager.backward()
assert run.loss == eager.data
assert list(run.gradients) == [cell.w.grad, cell.u.grad, cell.b.grad]

# JavaScript: the same time step.
assert "√(v" in recurrence.javascript
if (node_js := shutil.which("node")) is not None:
    use = f"""
const sequence = new Sequence(program, Float64Array.of(0.9, 0.5, 0), 3);
{inputs}.forEach((x, i) => sequence.give(i + 1, [x], [{targets}[i]]));
sequence.forward();
sequence.backward();
console.log(JSON.stringify([sequence.loss, ...sequence.p_grad]));
"""
    ran = subprocess.run(
        [node_js, "--input-type=module"], input=recurrence.javascript + use, capture_output=True, text=True, check=True
    )
    assert json.loads(ran.stdout) == pytest.approx([eager.data, cell.w.grad, cell.u.grad, cell.b.grad], rel=1e-12)
unrolled = unroll(cell, inputs)
assert "√((w·h" in explore(unrolled, mse_loss(unrolled.h[3], 0.3)).html()
