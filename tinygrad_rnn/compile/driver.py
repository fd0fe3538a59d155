"""The loop around compiled sections, as LLVM assembly: the function that Python calls.

In Python it would read::

    packed = [parameter[slot] for slot in packed_slots]
    for group in groups of `lanes` sequences:
        gradient = start; loss = 0; x, target, state = those of the group, lanes side by side
        for move in plan:                       # forward in time, and back, as `plan` says
            functions[move.function](row of each region that the move names)
        state, loss, y = those of the group, sequence by sequence
        for lane in lanes:  total += gradient of the lane       # in order of the sequences
"""

from __future__ import annotations

from collections.abc import Sequence

from .assembly import Assembly
from .memory import (
    GRADIENT,
    LOSS,
    NEXT_ROW_OF,
    PACKED,
    REGIONS,
    ROWED,
    SAVED,
    SEED,
    STATE,
    STATE_GRADIENT,
    TARGET,
    Sizes,
    X,
    Y,
)

#: The fields that Python sets for every run: sizes and addresses, 8 bytes each, in this order.
SIZES = ("groups", "moves", "windows", "x_size", "target_size", "y_size", "last")
RUN_AREAS = (
    "plan", "start", "parameter", "x.in", "target.in", "h0", "new_h", "h0_gradient", "total", "losses", "y.out",
)  # fmt: skip
PER_RUN = (*SIZES, *RUN_AREAS)

#: The fields after these: addresses in the working memory.
WORKING = tuple(region.name for region in (PACKED, SEED, GRADIENT, X, TARGET, STATE, SAVED, LOSS, Y, STATE_GRADIENT))

#: The fields of one entry of a plan: the function to call, and the row of each region.
MOVE = ("function", *(region.name for region in ROWED))


def driver(functions: Sequence[str], packed: Sequence[int], lanes: int, sizes: Sizes) -> str:
    """The function that Python calls.

    Args:
        functions: names of the sections.
        packed: parameters to gather.
        lanes: sequences computed side by side.
        sizes: the sizes of everything in memory.
    """
    code = Assembly()
    for place, field in enumerate((*PER_RUN, *WORKING)):
        kind = "i64" if field in SIZES else "ptr"
        code.do(f"%{field} = load {kind}, ptr {code.address('%call', place)}")
    alarm = code.variable("false", "i1")

    def copy(source: str, target: str, onto_zero: bool = False) -> None:
        number = code.load(source)
        code.store(code.new(f"fadd double 0.0, {number}") if onto_zero else number, target)

    def interleave(apart: str, together: str, count: str | int, back: bool = False, onto_zero: bool = False) -> None:
        """Copy ``count`` numbers per sequence from one sequence after the other to lanes side by side, or back."""
        if count == 0:
            return
        base = code.address(apart, first, count)
        with code.loop(count) as k:
            beside = code.address(together, k, lanes)
            for lane in range(lanes):
                source, target = code.address(code.address(base, lane, count), k), code.address(beside, lane)
                if back:
                    source, target = target, source
                copy(source, target, onto_zero)

    with code.loop(len(packed)) as i:
        slot = code.load(code.address("@packed.slots", i), "i64")
        copy(code.address("%parameter", slot), code.address("%packed", i))
    with code.loop("%groups") as group:
        first = code.new(f"mul i64 {group}, {lanes}")
        size = 8 * sizes.parameters * lanes
        code.do(f"call void @llvm.memcpy.p0.p0.i64(ptr %gradient, ptr %start, i64 {size}, i1 false)")
        interleave("%x.in", "%x", sizes.x and "%x_size")
        interleave("%target.in", "%target", sizes.target and "%target_size")
        interleave("%h0", "%state", sizes.state)
        with code.loop(code.new(f"mul i64 %windows, {lanes}")) as i:
            code.store("0.0", code.address("%loss", i))
        with code.loop("%moves") as m:
            move = code.address("%plan", m, len(MOVE))
            index, *rows = (code.load(code.address(move, entry), "i64") for entry in range(len(MOVE)))
            at = dict(zip(ROWED, rows))
            arguments = []
            for region in REGIONS:
                memory = NEXT_ROW_OF.get(region, region)
                base, size = f"%{memory.name}", sizes.row(memory)
                arguments.append(f"ptr {code.address(base, at[region], size * lanes) if size else base}")
            called = code.load(code.address("@functions", index), "ptr")
            code.update("or", alarm, code.new(f"call i1 {called}({', '.join(arguments)})"), "i1")
        interleave("%losses", "%loss", "%windows", back=True)
        interleave("%y.out", "%y", sizes.y and "%y_size", back=True)
        interleave("%new_h", code.address("%state", "%last", sizes.state * lanes), sizes.state, back=True)
        interleave("%h0_gradient", "%state_gradient", sizes.state, back=True, onto_zero=True)
        with code.loop(sizes.parameters) as p:
            gradients, total = code.address("%gradient", p, lanes), code.load(code.address("%total", p))
            for lane in range(lanes):  # `Recurrence` promises this order
                total = code.new(f"fadd double {total}, {code.load(code.address(gradients, lane))}")
            code.store(total, code.address("%total", p))
    result = code.new(f"zext i1 {code.load(alarm, 'i1')} to i64")
    return (
        f"@functions = private constant [{len(functions)} x ptr] [{', '.join(f'ptr @{name}' for name in functions)}]\n"
        f"@packed.slots = private constant [{len(packed)} x i64] [{', '.join(f'i64 {slot}' for slot in packed)}]\n"
        f"define i64 @run(ptr %call) {{\n{code.body()}\n  ret i64 {result}\n}}\n"
    )
