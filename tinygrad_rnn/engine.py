"""Stands in for ``micrograd.engine``: swap the import, keep the notebook."""

from .value import Value

__all__ = ["Value"]
