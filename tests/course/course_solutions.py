"""Solutions of the exercises of the course, and what learners write instead. Learners: do not look."""

# ruff: noqa: F811

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

SOLUTIONS: dict[str, Callable[..., Any]] = {}
MISTAKES: dict[str, list[Callable[..., Any]]] = {}


def solution(function: Callable[..., Any]) -> None:
    SOLUTIONS[function.__name__] = function


def mistake(function: Callable[..., Any]) -> None:
    MISTAKES.setdefault(function.__name__, []).append(function)


# ---- 1 ---------------------------------------------------------------------------------------------------------


@solution
def quotient(a, b, gradient):
    return gradient / b, -gradient * a / b**2


@mistake
def quotient(a, b, gradient):  # the sign
    return gradient / b, gradient * a / b**2


@mistake
def quotient(a, b, gradient):  # not times the gradient
    return 1 / b, -a / b**2


@mistake
def quotient(a, b, gradient):
    return gradient / b, -gradient * a / b


@mistake
def quotient(a, b, gradient):
    return gradient / b


# ---- 2 ---------------------------------------------------------------------------------------------------------


@solution
def gradient_of(paths):
    return sum(math.prod(path) for path in paths)


@mistake
def gradient_of(paths):  # sums and products the other way round
    return math.prod(sum(path) for path in paths)


@mistake
def gradient_of(paths):  # one path only
    return math.prod(paths[0])


@mistake
def gradient_of(paths):
    return max(math.prod(path) for path in paths)


# ---- 3 ---------------------------------------------------------------------------------------------------------


@solution
def in_order(operands):
    order, waiting = [], list(operands)
    while waiting:
        node = next(n for n in waiting if not any(n in operands[other] for other in waiting))
        waiting.remove(node)
        order.append(node)
    return order


@mistake
def in_order(operands):  # as they come
    return list(operands)


@mistake
def in_order(operands):  # the wrong way round
    return SOLUTIONS["in_order"](operands)[::-1]


@mistake
def in_order(operands):  # breadth first
    order = to_visit = [next(iter(operands))]
    for node in to_visit:
        order += [operand for operand in operands[node] if operand not in order]
    return order


@mistake
def in_order(operands):  # depth first, once per use
    root = next(iter(operands))

    def below(node):
        return [node, *(n for operand in operands[node] for n in below(operand))]

    return below(root)


# ---- 4 ---------------------------------------------------------------------------------------------------------


@solution
def tanh_slope(h):
    return 1 - h * h


@mistake
def tanh_slope(h):  # takes h for z
    return 1 - math.tanh(h) ** 2


@mistake
def tanh_slope(h):
    return 1 - h


@mistake
def tanh_slope(h):  # that of the sigmoid
    return h * (1 - h)


@mistake
def tanh_slope(h):
    return 1 / h


# ---- 5 ---------------------------------------------------------------------------------------------------------


@solution
def recurrent_jacobian(W, h):
    return [[(1 - h_i**2) * entry for entry in row] for h_i, row in zip(h, W)]


@mistake
def recurrent_jacobian(W, h):  # W diag(tanh'): scales columns
    return [[(1 - h_j**2) * entry for entry, h_j in zip(row, h)] for row in W]


@mistake
def recurrent_jacobian(W, h):  # without tanh'
    return W


@mistake
def recurrent_jacobian(W, h):  # transposed
    return [list(column) for column in zip(*SOLUTIONS["recurrent_jacobian"](W, h))]


# ---- 6 ---------------------------------------------------------------------------------------------------------


@solution
def states(w, u, b, inputs, h0):
    result = []
    for x in inputs:
        h0 = math.tanh(w * h0 + u * x + b)
        result.append(h0)
    return result


@mistake
def states(w, u, b, inputs, h0):  # does not carry the state
    return [math.tanh(w * h0 + u * x + b) for x in inputs]


@mistake
def states(w, u, b, inputs, h0):  # h_0 among them
    return [h0, *SOLUTIONS["states"](w, u, b, inputs, h0)]


@mistake
def states(w, u, b, inputs, h0):  # the last alone
    return SOLUTIONS["states"](w, u, b, inputs, h0)[-1]


# ---- 7 ---------------------------------------------------------------------------------------------------------


@solution
def chain(w, h, k):
    return math.prod(w * (1 - h_t**2) for h_t in h[k + 1 :])


@mistake
def chain(w, h, k):  # one factor too many
    return math.prod(w * (1 - h_t**2) for h_t in h[k:])


@mistake
def chain(w, h, k):  # without J_T
    return math.prod(w * (1 - h_t**2) for h_t in h[k + 1 : -1])


@mistake
def chain(w, h, k):  # tanh' at h_{t-1}
    return math.prod(w * (1 - h_t**2) for h_t in h[k:-1])


@mistake
def chain(w, h, k):  # the law without tanh'
    return w ** (len(h) - 1 - k)


# ---- 8 ---------------------------------------------------------------------------------------------------------


@solution
def w_gradient(w, h, gradient):
    total = 0.0
    for k in range(len(h) - 1, 0, -1):
        at_z = gradient * (1 - h[k] ** 2)
        total += at_z * h[k - 1]
        gradient = at_z * w
    return total


@mistake
def w_gradient(w, h, gradient):  # the last use alone
    return gradient * (1 - h[-1] ** 2) * h[-2]


@mistake
def w_gradient(w, h, gradient):  # = instead of +=
    total = 0.0
    for k in range(len(h) - 1, 0, -1):
        at_z = gradient * (1 - h[k] ** 2)
        total = at_z * h[k - 1]
        gradient = at_z * w
    return total


@mistake
def w_gradient(w, h, gradient):  # ∂h_k/∂w forgets tanh'
    total = 0.0
    for k in range(len(h) - 1, 0, -1):
        total += gradient * h[k - 1]
        gradient *= w * (1 - h[k] ** 2)
    return total


@mistake
def w_gradient(w, h, gradient):  # times h_k instead of h_{k-1}
    total = 0.0
    for k in range(len(h) - 1, 0, -1):
        at_z = gradient * (1 - h[k] ** 2)
        total += at_z * h[k]
        gradient = at_z * w
    return total


# ---- 9 ---------------------------------------------------------------------------------------------------------


@solution
def horizon(w, share):
    return math.ceil(math.log(share) / math.log(abs(w))) if abs(w) < 1 else math.inf


@mistake
def horizon(w, share):  # not a whole number
    return math.log(share) / math.log(abs(w)) if abs(w) < 1 else math.inf


@mistake
def horizon(w, share):  # rounded down
    return math.log(share) // math.log(abs(w)) if abs(w) < 1 else math.inf


@mistake
def horizon(w, share):  # no thought of w >= 1, and of w < 0
    return math.ceil(math.log(share) / math.log(w))


# ---- 10 --------------------------------------------------------------------------------------------------------


@solution
def clipped(gradients, max_norm):
    norm = math.hypot(*gradients)
    return [g * max_norm / norm for g in gradients] if norm > max_norm else gradients


@mistake
def clipped(gradients, max_norm):  # entry by entry
    return [min(max(g, -max_norm), max_norm) for g in gradients]


@mistake
def clipped(gradients, max_norm):  # small ones grow, and 0 / 0
    norm = math.hypot(*gradients)
    return [g * max_norm / norm for g in gradients]


@mistake
def clipped(gradients, max_norm):  # not the root
    norm = sum(g * g for g in gradients)
    return [g * max_norm / norm for g in gradients] if norm > max_norm else gradients


# ---- 11 --------------------------------------------------------------------------------------------------------


@solution
def reaches(k, t, chunk):
    return (k - 1) // chunk == (t - 1) // chunk


@mistake
def reaches(k, t, chunk):  # by the lag
    return t - k < chunk


@mistake
def reaches(k, t, chunk):  # counts from 0
    return k // chunk == t // chunk


@mistake
def reaches(k, t, chunk):
    return True


# ---- 12 --------------------------------------------------------------------------------------------------------


@solution
def forget_bias(steps, share):
    f = share ** (1 / steps)
    return math.log(f / (1 - f))


@mistake
def forget_bias(steps, share):  # the gate instead of the bias
    return share ** (1 / steps)


@mistake
def forget_bias(steps, share):  # one step only
    return math.log(share / (1 - share))


@mistake
def forget_bias(steps, share):  # the other way round
    return -SOLUTIONS["forget_bias"](steps, share)


# ---- 13 --------------------------------------------------------------------------------------------------------


@solution
def lag(string):
    return (len(string) - 2) - 2


@mistake
def lag(string):  # to the symbol itself
    return len(string) - 3


@mistake
def lag(string):
    return len(string)


# ---- 14 --------------------------------------------------------------------------------------------------------


@solution
def run_tape(tape, inputs):
    numbers = list(inputs)
    for op, *places in tape:
        a = [numbers[i] for i in places]
        numbers.append(a[0] + a[1] if op == "add" else a[0] * a[1] if op == "mul" else math.tanh(a[0]))
    return numbers[-1]


@mistake
def run_tape(tape, inputs):  # reads the inputs alone
    for op, *places in tape:
        a = [inputs[min(i, len(inputs) - 1)] for i in places]
        last = a[0] + a[1] if op == "add" else a[0] * a[1] if op == "mul" else math.tanh(a[0])
    return last


@mistake
def run_tape(tape, inputs):  # the results in front
    numbers = list(inputs)
    for op, *places in tape:
        a = [numbers[i] for i in places]
        numbers.insert(0, a[0] + a[1] if op == "add" else a[0] * a[1] if op == "mul" else math.tanh(a[0]))
    return numbers[0]


@mistake
def run_tape(tape, inputs):  # no tanh
    numbers = list(inputs)
    for op, i, *j in tape:
        numbers.append(numbers[i] + numbers[j[0]] if op == "add" else numbers[i] * numbers[j[0]])
    return numbers[-1]


# ---- 15 --------------------------------------------------------------------------------------------------------


@solution
def stop_here(step):
    return step.parent.label == "w" and step.time_step == 2


@mistake
def stop_here(step):  # any arrival at w
    return step.parent.label == "w"


@mistake
def stop_here(step):  # all of time step 2
    return step.time_step == 2


@mistake
def stop_here(step):  # where it flows from w
    return step.node.label == "w" and step.time_step == 2


# ---- 16 --------------------------------------------------------------------------------------------------------


@solution
def accumulated(gradients, operands, contributions):
    for operand, contribution in zip(operands, contributions):
        gradients[operand] += contribution
    return gradients


@mistake
def accumulated(gradients, operands, contributions):  # the exhibit
    for operand, contribution in zip(operands, contributions):
        gradients[operand] = contribution
    return gradients


@mistake
def accumulated(gradients, operands, contributions):  # one contribution per name
    return {name: gradients[name] + dict(zip(operands, contributions)).get(name, 0.0) for name in gradients}
