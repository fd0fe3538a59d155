"""A backward pass that walks depth first: a gradient flows on before all of it has arrived."""

from tinygrad_rnn import Value
from tinygrad_rnn.engine.backward import topological_order, visit


def depth_first(root: Value) -> list[Value]:
    order, to_visit = [], [root]
    while to_visit:
        node = to_visit.pop()
        if node not in order:
            order.append(node)
            to_visit += node.parents
    return order


for put_in_order in (depth_first, topological_order):
    x = Value(3.0, label="x")
    a = x * 2.0
    b = a * a
    y = b + a
    a.label, b.label, y.label = "a", "b", "y"

    order = put_in_order(y)
    y.grad = 1.0
    flowed = {}
    for node in order:
        flowed[node] = node.grad
        visit([node])

    print("broken:" if put_in_order is depth_first else "right:")
    print(f"  order {' '.join(node.label for node in order if node.label)}: ∂y/∂x = {x.grad:g}")
    for node, gradient in flowed.items():
        if node.parents and node.grad != gradient:
            print(f"  the gradient of {node.label} flowed on as {gradient:g}, but more was to come: {node.grad:g}")
