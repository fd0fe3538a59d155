"""Colours: one scale of sizes in pictures, plots and the page, and colours that every eye tells apart."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tinygrad_rnn.support import colours
from tinygrad_rnn.support.colours import PAPER, SIGNED, SIZES, Scale, luminance, mixed

#: What protanopes, deuteranopes and tritanopes see, in linear RGB: Machado, Oliveira and Fernandes, A
#: Physiologically-based Model for Simulation of Color Vision Deficiency, 2009, severity 1.
EYES = {
    "of most": ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0)),
    "without red": ((0.152286, 1.052583, -0.204868), (0.114503, 0.786281, 0.099216), (-0.003882, -0.048116, 1.051998)),
    "without green": ((0.367322, 0.860646, -0.227968), (0.280085, 0.672501, 0.047413), (-0.011820, 0.042940, 0.968881)),
    "without blue": ((1.255528, -0.076749, -0.178779), (-0.078411, 0.930809, 0.147602), (0.004733, 0.691367, 0.303900)),
}


def seen(colour: str, eye: str) -> tuple[float, ...]:
    """Lightness and hue of a colour for an eye: CIELAB, D65, in which 2 is a difference that can just be noticed."""
    sent = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in sent]
    r, g, b = (min(max(sum(m * c for m, c in zip(row, linear)), 0.0), 1.0) for row in EYES[eye])
    xyz = (
        (0.4124 * r + 0.3576 * g + 0.1805 * b) / 0.9505,
        0.2126 * r + 0.7152 * g + 0.0722 * b,
        (0.0193 * r + 0.1192 * g + 0.9505 * b) / 1.089,
    )
    x, y, z = (t ** (1 / 3) if t > 216 / 24389 else (24389 / 27 * t + 16) / 116 for t in xyz)
    return 116 * y - 16, 500 * (x - y), 200 * (y - z)


@pytest.mark.parametrize("eye", EYES)
def test_colours_of_different_meaning_stay_apart_for_every_eye(eye: str) -> None:
    groups = [
        (colours.INK, colours.CHAIN, colours.LAW, colours.STRAIGHT),
        (colours.POSITIVE, colours.NEGATIVE, PAPER),
        (SIGNED[0], SIGNED[-1], colours.CUT),
        (SIGNED[2], SIGNED[-3], PAPER),
    ]
    for group in groups:
        for i, one in enumerate(group):
            for other in group[i + 1 :]:
                assert math.dist(seen(one, eye), seen(other, eye)) > 15.0, (one, other)


@pytest.mark.parametrize("eye", EYES)
def test_the_scale_goes_from_light_to_dark_for_every_eye(eye: str) -> None:
    light = [seen(mixed(SIZES, i / 60), eye)[0] for i in range(61)]
    assert all(a > b for a, b in pairwise(light))


def test_the_scale_goes_from_light_to_dark_in_grey_print() -> None:
    """Lightness alone tells the order; neighbours of the key differ by enough to be told apart."""
    scale = Scale(-3, 3)
    light = [luminance(scale.of_log(e / 10)) for e in range(-30, 31)]
    assert light == sorted(light, reverse=True)
    steps = [light[i] + 0.05 for i in range(0, 61, 10)]
    assert all(a / b > 1.15 for a, b in pairwise(steps))
    for ink in (colours.INK, colours.QUIET, colours.CHAIN, colours.LAW, colours.STRAIGHT):
        assert 1.05 / (luminance(ink) + 0.05) > 4.5


def test_of_signed_numbers_the_larger_are_the_darker() -> None:
    lightness = [*map(luminance, SIGNED)]
    assert lightness[:4] == sorted(lightness[:4])
    assert lightness[3:] == sorted(lightness[3:], reverse=True)


def test_a_scale_spans_the_gradients() -> None:
    scale = Scale.of([0.0, 1e-5, -3.0, math.inf, math.nan])
    assert scale == Scale(-5, 1, darkest=0.5)
    assert scale(1e-5) != scale(1.0) != scale(10.0)
    assert scale(1e-300) == scale(1e-5)
    assert scale(math.inf) == scale(10.0)
    assert scale(0.0) == scale(math.nan) == PAPER
    assert Scale.of([0.0]) is None


@pytest.mark.parametrize(
    ("scale", "most", "levels"),
    [(Scale(-3, 1), 8, [-3, -2, -1, 0, 1]), (Scale(-20, 20), 6, [-14, -7, 0, 7, 14]), (Scale(0, 1), 6, [0, 1])],
)
def test_a_scale_has_numbers_at_equal_distances(scale: Scale, most: int, levels: list[int]) -> None:
    assert scale.levels(most) == levels
