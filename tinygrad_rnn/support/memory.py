"""The available memory, and the one check that something fits into it, before it is allocated."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

from ..errors import TooLargeError

#: Bytes that Python takes for each of these, as measured with `tracemalloc`, and some more.
NUMBER = 36  # a float in a list that has grown
NODE = 256  # a node of a recorded graph: its slots, its numbers, its tuple of parents
PARAMETER = 450  # a leaf with its label, and in training its gradient, two numbers of the optimizer and two copies
UNCHECKED = 2**24  # anything smaller is not checked
MOST = 2**63


def require_memory(name: str, number: int, need: Callable[[int], int]) -> None:
    """Check that there is memory for something, before it is allocated.

    Args:
        name: what its size depends on, such as ``"hidden_size"``.
        number: its size.
        need: the bytes that something of a size takes. They must not fall as the size grows.

    Raises:
        TooLargeError: there is not; the error says what would fit.
    """
    needed = need(number)
    if needed <= UNCHECKED:
        return
    free = available_memory()
    if free is None or needed <= free:
        return
    fits = _largest(need, free, number)
    raise TooLargeError(
        f"{name} = {number:,} takes about {in_units(needed)} of memory, and {in_units(free)} are free",
        remedy=f"Up to {fits:,} would fit" if fits else "Make something else smaller: not even 1 would fit",
        needed=needed,
        available=free,
    )


def _largest(need: Callable[[int], int], free: int, number: int) -> int:
    """The largest size below ``number`` that needs no more than ``free`` bytes, to two digits; 0 if there is none."""
    low, high = 0, number
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (middle, high) if need(middle) <= free else (low, middle)
    unit: int = 10 ** max(0, len(str(low)) - 2)
    return low // unit * unit


def in_units(size: int) -> str:
    """A number of bytes for people: ``"9.3 TB"``."""
    amount, units = float(min(size, MOST)), ["bytes", "kB", "MB", "GB", "TB", "PB", "EB"]
    while amount >= 999.5 and len(units) > 1:
        amount, units = amount / 1000.0, units[1:]
    return f"{amount:.3g} {units[0]}"


def available_memory() -> int | None:
    """The bytes that this process can still allocate, as reported by the system; None if it reports none."""
    return min(_limits(), default=None)


def _limits() -> Iterator[int]:
    """The bytes that the machine has left, that the process may still take, and that its control groups may."""
    with suppress(OSError, ValueError, StopIteration):
        yield _fields("/proc/meminfo")["MemAvailable"] * 1024
    if sys.platform == "darwin":
        yield os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    yield from _limit_of_process()
    yield from limits_of_groups()


def _limit_of_process() -> Iterator[int]:
    try:
        import resource
    except ImportError:  # Windows
        return
    limit, _ = resource.getrlimit(resource.RLIMIT_AS)
    with suppress(OSError, ValueError):
        if limit != resource.RLIM_INFINITY:
            taken = int(Path("/proc/self/statm").read_text().split()[0]) * os.sysconf("SC_PAGE_SIZE")
            yield max(0, limit - taken)


def limits_of_groups(root: Path = Path("/sys/fs/cgroup"), groups: Path = Path("/proc/self/cgroup")) -> Iterator[int]:
    """The bytes that the control groups of this process have left: those that hold it, and those that hold these."""
    with suppress(OSError, ValueError):
        for line in groups.read_text().splitlines():
            _, controllers, path = line.split(":", 2)
            if controllers == "":
                folder, limit, usage, cache = root, "memory.max", "memory.current", "inactive_file"
            elif "memory" in controllers.split(","):
                folder, limit, usage, cache = (
                    *(root / "memory", "memory.limit_in_bytes"),
                    *("memory.usage_in_bytes", "total_inactive_file"),
                )
            else:
                continue
            group = folder / path.lstrip("/")
            for each in [group, *group.parents][: len(group.parts) - len(folder.parts) + 1]:
                with suppress(OSError, ValueError, KeyError):  # the outermost has none; in a container, some are hidden
                    most = int((each / limit).read_text())
                    held = int((each / usage).read_text()) - _fields(each / "memory.stat")[cache]
                    yield max(0, most - held)


def _fields(path: str | Path) -> dict[str, int]:
    """The numbers of a file with a name and a number per line."""
    words = (line.replace(":", " ").split() for line in Path(path).read_text().splitlines())
    return {name: int(number) for name, number, *_ in words}
