"""The display of a Value in a notebook."""

from __future__ import annotations

import contextlib

from ..engine.value import Value

MOST_NODES = 60  # drawn by itself: more could neither be read nor drawn in a blink
_TIME_LIMIT = 5.0


def mimebundle(value: Value) -> dict[str, str]:
    """The text, and a drawing of what the Value was computed from, if that is small and something can draw."""
    bundle = {"text/plain": repr(value)}
    if value.parents and _is_small(value):
        from .api import draw_dot

        # Whatever may be wrong with an op of the user's own: showing a Value must not fail.
        with contextlib.suppress(Exception):
            bundle["image/svg+xml"] = draw_dot(value, time_limit=_TIME_LIMIT).svg()
    return bundle


def _is_small(value: Value) -> bool:
    """Whether the graph has at most `MOST_NODES`, without walking over one that has more."""
    seen = {value}
    to_visit = [value]
    while to_visit and len(seen) <= MOST_NODES:
        for parent in to_visit.pop().parents:
            if parent not in seen:
                seen.add(parent)
                to_visit.append(parent)
    return len(seen) <= MOST_NODES
