"""Helpers for every room: `files` (written whole or not at all), `locks` on them, `progress` bars, `checks` of
arguments, `memory` (what fits into it), `numbers` (what counts as one), `sums` of them, `ranges` (lists of whole
numbers), `text` (counts and names in words), `colours` (of pictures, plots and the page), `pytorch` (options of
PyTorch that are refused), `optional` (packages that may be missing), `collector` (Python's garbage collector, paused),
and `uninterrupted` (contexts that Ctrl-C cannot leave half-way).
"""
