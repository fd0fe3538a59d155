"""SVG as PDF or PNG, by vl-convert: one wheel for every platform, and text stays text in the PDF (BSD licence)."""

from __future__ import annotations

import importlib.util
import io
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ..support.optional import optional
from . import svg


@cache
def converter() -> Any:
    """The package vl_convert, with fonts that have every character."""
    with optional("PDF, GIF, and PNG without Graphviz, need vl-convert-python", "pictures"):
        import vl_convert
    # Raised and lowered digits are in few fonts. DejaVu Sans has them; matplotlib brings it where the system does not.
    plots = importlib.util.find_spec("matplotlib")
    if plots is not None and plots.origin:
        fonts = Path(plots.origin).parent / "mpl-data" / "fonts" / "ttf"
        if fonts.is_dir():
            vl_convert.register_font_directory(str(fonts))
    return vl_convert


def pdf(source: str) -> bytes:
    """An SVG of ours as PDF, of the same size.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    made: bytes = converter().svg_to_pdf(_printable(source))
    return made


def png(source: str, scale: float) -> bytes:
    """An SVG of ours as PNG.

    Args:
        source: the SVG.
        scale: pixels per point.

    Raises:
        MissingDependencyError: vl-convert is not installed.
    """
    made: bytes = converter().svg_to_png(_printable(source), scale=scale)
    return made


def _printable(source: str) -> str:
    """Points as the unit of the picture, and the font first that has every character."""
    return source.replace('pt" ', '" ').replace(svg.FONTS, f"'DejaVu Sans', {svg.FONTS}")


def gif(frames: Sequence[tuple[str, float]], scale: float) -> bytes:
    """SVGs of ours, all of one size, as an animated GIF that plays again and again.

    Args:
        frames: every SVG, with how long it is shown, in seconds.
        scale: pixels per point.

    Raises:
        MissingDependencyError: vl-convert or Pillow is not installed.
    """
    with optional("GIF needs Pillow", "pictures"):
        from PIL import Image

    def still(source: str) -> Image.Image:
        return Image.open(io.BytesIO(png(source, scale))).convert("RGB")

    # One palette for all, so that no colour changes from frame to frame. The last has every colour.
    palette = still(frames[-1][0]).quantize(255, dither=Image.Dither.NONE)
    numbers = palette.getpalette() or []
    for i in range(0, len(numbers), 3):  # what is nearly white would be taken for paper, which is to be white
        if min(numbers[i : i + 3]) >= 248:
            numbers[i : i + 3] = 255, 255, 255
    palette.putpalette(numbers)
    first, *rest = (still(source).quantize(palette=palette, dither=Image.Dither.NONE) for source, _ in frames)
    out = io.BytesIO()
    durations = [round(1000.0 * seconds) for _, seconds in frames]
    first.save(out, "GIF", save_all=True, append_images=rest, duration=durations, loop=0, optimize=False)
    return out.getvalue()
