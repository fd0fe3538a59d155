"""A command writes into the folder where it is run: every test of one runs in a folder of its own."""

from __future__ import annotations

from pathlib import Path

import pytest


@pytest.fixture(autouse=True)
def in_an_empty_folder(empty_folder: Path) -> Path:
    return empty_folder
