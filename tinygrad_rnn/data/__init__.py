"""Real series: the built-in one, and columns of CSV files."""

from .series import Series, read_column, sunspots

__all__ = ["Series", "read_column", "sunspots"]
