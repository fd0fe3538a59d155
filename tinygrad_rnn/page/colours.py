"""The colours of the page: those of the pictures, and beside each its counterpart in the dark."""

from __future__ import annotations

from ..support import colours as of_pictures
from ..support.colours import Scale, ink_on, mixed

#: In the light and in the dark, by name.
_COLOURS = {
    "ground": ("#f3f5f9", "#0e1116"),
    "panel": (of_pictures.PAPER, "#161b22"),
    "ink": (of_pictures.INK, "#e8ebf0"),
    "quiet": (of_pictures.QUIET, "#a9b4c2"),
    "line": (of_pictures.GRID, "#2c343f"),
    "soft": ("#eef1f6", "#1e252e"),
    "control": ("#8692a3", "#6b7786"),
    "frame": (of_pictures.FRAME, "#12161c"),
    "frame-line": (of_pictures.FRAME_LINE, "#3a4450"),
    "edge": (of_pictures.EDGE, "#8592a2"),
    "chain": (of_pictures.CHAIN, "#ff8fbf"),
    "law": (of_pictures.LAW, "#8ab4ff"),
    "straight": (of_pictures.STRAIGHT, "#69db7c"),
    "straight-fill": (of_pictures.STRAIGHT_FILL, "#12321a"),
    "loss-fill": (of_pictures.LOSS_FILL, "#3b2f14"),
    "input-fill": (of_pictures.INPUT_FILL, "#1c2630"),
    "input-line": (of_pictures.INPUT_LINE, "#5fd6c5"),
    "weight": (of_pictures.PARAMETER_LINE, "#b9a3ff"),
    "cut": ("#dde1e7", "#2a323c"),
    "cut-ink": (of_pictures.CUT, "#6b7786"),
    "accent": ("#1864ab", "#74c0fc"),
    "on-accent": ("#ffffff", "#0e1116"),
    "vanishes": ("#3d5a8a", "#9dbcf0"),
    "explodes": ("#a30f3c", "#ff8a80"),
    "positive": (of_pictures.POSITIVE, "#ff9a4d"),
    "negative": (of_pictures.NEGATIVE, "#4dabf7"),
    "hover": ("#b0125f22", "#ff8fbf33"),
}

#: How strong a gradient is in the dark, from vanished to exploded.
_DARK = ("#2b384a", "#54538f", "#d652a0", "#ff8fc6", "#ffe3f1")
SHADES = 13


def style() -> str:
    """A rule of CSS: each colour as a custom property, light and dark, and also the shades of a gradient as classes."""
    scale = Scale(0, SHADES - 1)
    properties = [f"--{name}: light-dark({light}, {dark});" for name, (light, dark) in _COLOURS.items()]
    pairs = [(scale.of_log(i), mixed(_DARK, i / (SHADES - 1))) for i in range(SHADES)]
    properties += [f"--shade{i}: light-dark({light}, {dark});" for i, (light, dark) in enumerate(pairs)]
    classes = [
        f".arc.s{i} {{ stroke: var(--shade{i}); }} .tip.s{i}, .bar.s{i}, .swatch.s{i} {{ fill: var(--shade{i}); }}"
        for i in range(SHADES)
    ]
    classes += [
        f"#picture .on{i} {{ fill: light-dark({ink_on(light)}, {ink_on(dark)}); }}"
        for i, (light, dark) in enumerate(pairs)
    ]
    return "\n".join([":root {", *(f"  {each}" for each in properties), "}", *classes, ""])
