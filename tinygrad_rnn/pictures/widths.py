"""The widths of characters at size 1: in the widest of Helvetica, Liberation Sans and DejaVu Sans.

They stand in for each other: a viewer has one of them, and we cannot tell which.
"""

from __future__ import annotations

#: Characters by their width, rounded up to hundredths.
_REGULAR = {
    0.23: "′",
    0.28: "'ijl",
    0.3: "Iₜ",
    0.32: " ,.·‘’",
    0.34: "/:;\\||",
    0.36: "f",
    0.37: "-",
    0.38: "″",
    0.39: "ᵀ",
    0.4: "()[]tₙ",
    0.41: "!²³₀₁₂₃₄₅₆₇₈₉⁰¹⁴⁵⁶⁷⁸⁹",
    0.42: "r",
    0.43: "ₖ",
    0.46: '"',
    0.5: "*J`°‖",
    0.52: "∂“”",
    0.53: "sz₋₊⁻",
    0.55: "cçε",
    0.56: "?L_–",
    0.58: "k",
    0.6: "vxyγλ",
    0.61: "τ",
    0.62: "FTaeoäöéèêàáâøåδθ",
    0.63: "ß∘",
    0.64: "$0123456789bdghnpqu{}µüñβμρσΣ√",
    0.66: "αφ",
    0.67: "EKPSY",
    0.69: "ABVXZÄπΔ",
    0.72: "ψ∑",
    0.73: "CR",
    0.74: "UÜ",
    0.75: "N",
    0.76: "HΠ",
    0.77: "Ω",
    0.78: "&DG",
    0.79: "OQÖ",
    0.82: "w",
    0.83: "∏",
    0.84: "#+<=>^~±×÷ω−≈≤≥≠∞↑↓⊙",
    0.87: "M",
    0.96: "%",
    0.98: "m",
    0.99: "W",
    1.0: "…⋯→←—",
    1.02: "@",
}
_BOLD = {
    0.27: "′",
    0.31: "'",
    0.35: " ijl",
    0.37: "/\\||",
    0.38: ",.I·‘’",
    0.39: "ₜ",
    0.4: ":;",
    0.42: "-",
    0.43: "ᵀ",
    0.44: "f²³₀₁₂₃₄₅₆₇₈₉⁰¹⁴⁵⁶⁷⁸⁹",
    0.46: "!()[]ₙ",
    0.48: "t″",
    0.49: "ₖ",
    0.5: "`r°‖",
    0.53: '"*₋₊⁻',
    0.55: "∂",
    0.56: "J_ε–",
    0.59: "z",
    0.6: "csç",
    0.62: "?",
    0.63: "∘",
    0.64: "Lλτ",
    0.65: "x",
    0.66: "vy“”",
    0.67: "k√",
    0.68: "aeäéèêàáâå",
    0.69: "EFToöøαγδθΣ",
    0.7: "$0123456789",
    0.72: "bdghnpqu{}ßüñβρ∑",
    0.73: "SYZ",
    0.74: "CPµμ",
    0.77: "B",
    0.78: "AKRVXÄσΔ",
    0.79: "φ",
    0.8: "πψ",
    0.82: "UÜ",
    0.83: "G∏",
    0.84: "#+<=>DHN^~±×÷Π−≈≤≥≠∞↑↓⊙",
    0.86: "OQÖΩ",
    0.87: "ω",
    0.88: "&",
    0.93: "w",
    1.0: "@M…⋯→←—",
    1.01: "%",
    1.05: "m",
    1.11: "W",
}


class Widths(dict[str, float]):
    """The width of every character; of one that is not in the table, a full square."""

    def __init__(self, table: dict[float, str]) -> None:
        super().__init__({character: width for width, characters in table.items() for character in characters})

    def __missing__(self, character: str) -> float:
        # Letters of alphabets are narrower than a capital M; Chinese and its neighbours fill a square, an emoji more.
        self[character] = width = 1.05 if ord(character) < 0x1100 else 1.4
        return width


REGULAR, BOLD = Widths(_REGULAR), Widths(_BOLD)
