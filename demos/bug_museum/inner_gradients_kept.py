"""A second backward pass that starts from what the first left at inner nodes (micrograd does this)."""

from tinygrad_rnn import Value
from tinygrad_rnn.engine.backward import local_gradients, topological_order

for broken in (True, False):
    print("broken:" if broken else "right:")
    w = Value(2.0, label="w")
    a = w * 3.0
    b = a * a
    a.label, b.label = "a", "b"
    order = topological_order(b)
    for number in (1, 2):
        if not broken:  # the gradients of all nodes except leaves start from 0
            for node in order:
                if node.parents:
                    node.zero_grad()
        b.grad = 1.0
        reached = set()
        for node in order:
            for parent, slope in zip(node.parents, local_gradients(node)):
                before = parent.grad
                parent.grad += slope * node.grad
                if parent.parents and parent not in reached and before:
                    sum_ = f"{before:g} + {slope:g}·{node.grad:g} = {parent.grad:g}"
                    print(f"  pass {number}: {parent.label}.grad = {sum_}   ← does not start from 0")
                reached.add(parent)
        print(f"  pass {number}: w.grad = {w.grad:g}")
