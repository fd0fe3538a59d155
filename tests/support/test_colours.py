"""Colours: one scale of sizes in pictures, plots and the page, and colours that every eye tells apart."""

from __future__ import annotations

import math
from itertools import pairwise

import pytest

from tinygrad_rnn.support import colours
from tinygrad_rnn.support.colours import PAPER, SIGNED, SIZES, Scale, luminance, mixed

from ..eyes import EYES, seen


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
