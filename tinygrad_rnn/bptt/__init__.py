"""Backpropagation through time: unrolling, and what can be read off an unrolled graph."""

from .unroll import Unrolled, unroll

__all__ = ["Unrolled", "unroll"]
