"""`OneHot`: one symbol of an alphabet as the input of a cell."""

from __future__ import annotations

from ..engine.value import Value
from ..errors import ArgumentError
from ..support.checks import in_short, whole_number
from ..support.memory import NODE, require_memory
from ..support.numbers import whole


class OneHot(list[Value]):
    """The vector with 1 at ``hot`` and 0 elsewhere. A cell looks up a column instead of multiplying by it.

    So U x is column ``hot`` of U: the same numbers to the last bit, without a multiplication by 0 or 1 for every
    weight. The entries can be read, but are not part of the graph and get no gradient.

    Args:
        hot: index of the 1.
        size: length of the vector.

    Raises:
        ArgumentError: there is no such index.
        TooLargeError: it does not fit into memory.
    """

    def __init__(self, hot: int, size: int) -> None:
        size, place = whole_number("size", size), whole(hot)
        if place is None or not 0 <= place < size:
            raise ArgumentError(
                f"symbol {in_short(hot)} of {size}", remedy=f"A symbol is a whole number from 0 to {size - 1}"
            )
        require_memory("size", size, lambda n: n * NODE)
        super().__init__(Value(float(i == place)) for i in range(size))
        self.hot = place
