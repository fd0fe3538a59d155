"""A derivative that assigns to the gradient of its operand, where it must add to it."""

from tinygrad_rnn import Value, gradcheck
from tinygrad_rnn.errors import GradcheckError


def product(a: Value, b: Value, broken: bool) -> Value:
    out = Value(a.data * b.data, (a, b), "product")

    def backward() -> None:
        if broken:
            a.grad = b.data * out.grad
            b.grad = a.data * out.grad  # whatever has been there, from a or from another use of b, is lost
        else:
            a.grad += b.data * out.grad
            b.grad += a.data * out.grad

    out._backward = backward
    return out


for broken in (True, False):
    print("broken:" if broken else "right:")
    gradcheck(lambda x, y: product(x, y, broken), [3.0, 5.0])  # noqa: B023
    print("  x·y: no complaint, since nothing is used twice")
    try:
        gradcheck(lambda x: product(x, x, broken), 3.0)  # noqa: B023
        print("  x·x: no complaint")
    except GradcheckError as error:
        print(f"  x·x: {error.what}")
