"""A loss that takes for granted that its own gradient is 1: right on its own, wrong in a mean."""

from tinygrad_rnn import Value, gradcheck
from tinygrad_rnn.errors import GradcheckError


def loss(y: Value, target: float, broken: bool) -> Value:
    out = Value((y.data - target) ** 2, (y,), "loss")

    def backward() -> None:
        y.grad += 2 * (y.data - target) * (1.0 if broken else out.grad)

    out._backward = backward
    return out


for broken in (True, False):
    print("broken:" if broken else "right:")
    gradcheck(lambda y: loss(y, 0.0, broken), 3.0)  # noqa: B023
    print("  one loss: no complaint")
    try:
        gradcheck(lambda y: (loss(y, 0.0, broken) + loss(y, 1.0, broken)) / 2, 3.0)  # noqa: B023
        print("  the mean of two: no complaint")
    except GradcheckError as error:
        print(f"  the mean of two: {error.what}")
