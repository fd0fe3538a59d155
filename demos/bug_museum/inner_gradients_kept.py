"""A second backward pass that starts from what the first left at inner nodes (micrograd does this)."""

from tinygrad_rnn import Value
from tinygrad_rnn.backward import start, topological_order, walk

for broken in (True, False):
    print("broken:" if broken else "right:")
    w = Value(2.0, label="w")
    a = w * 3.0
    b = a * a
    a.label, b.label = "a", "b"
    order = topological_order(b)
    start(order, b, 1.0)
    for number in (1, 2):
        if broken:
            b.grad = 1.0
        else:
            start(order, b, 1.0)  # sets the gradients of all nodes but the leaves to 0
        reached = set()
        for step in walk(order):
            if step.parent.parents and step.parent not in reached and step.gradient_before:
                print(f"  pass {number}: {step.flow}   ← does not start from 0")
            reached.add(step.parent)
        print(f"  pass {number}: w.grad = {w.grad:g}")
