"""The sizes of the parts of the picture of states, in sizes of text. The page draws the same picture, alive."""

from __future__ import annotations

NAME = 1.3  # the size of a name
ONE_LINE, TWO_LINES = 1.3, 2.5  # height of the factors, without and with what they are made of
TERMS, FACTOR, ALONE = 0.6, 1.8, 0.6  # middles of their lines: what a factor is made of, the factor, a factor alone
RISE, FLAT = 3.3, 0.2  # height of an arc, and what of it stays free
ARC_FROM, ARC_BEND = 0.4, 0.05  # where an arc meets a card, in halves of it; how far it bends out, in columns
PEN, STRENGTH = 1.2, 0.72  # width of an arc, in points; and by how much it grows over the scale
STATE, BARE_STATE, GAP = 4.35, 2.0, 1.3  # height of a state with and without numbers, and what is between lanes
INPUT_GAP, INPUT, LINE = 1.2, 1.6, 1.2  # between states and inputs; an input with its name alone, and a line more
BARS_ABOVE, BARS_BELOW = 1.9, 1.8  # heading and numbers of the bars
EASE = 0.05  # what the scale of the bars leaves below the shortest, in powers of ten
