"""The package as a whole: what importing it costs and what is installed along with it."""

import configparser
import importlib
import subprocess
import sys
from importlib import resources
from pathlib import Path

import tinygrad_rnn
import tinygrad_rnn.cli

ROOT = Path(__file__).parent.parent

LOADED = """
import sys
before = set(sys.modules)
import tinygrad_rnn
tops = {name.partition(".")[0] for name in set(sys.modules) - before}
print(*sorted(tops - set(sys.stdlib_module_names) - {"tinygrad_rnn"}))
"""


def test_importing_needs_the_standard_library_only():
    done = subprocess.run(
        [sys.executable, "-c", LOADED], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    assert done.stdout.strip() == ""


def test_importing_leaves_the_heavy_rooms_alone():
    code = "import sys, tinygrad_rnn; print(*[m for m in sys.modules if m.startswith('tinygrad_rnn.')])"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True, timeout=60
    )
    rooms = {name.split(".")[1] for name in done.stdout.split()}
    assert "value" in rooms
    assert not rooms & {"draw", "cli", "data", "compile", "explore", "debug", "sweep", "interop"}


def test_data_and_type_marker_are_package_data():
    files = resources.files("tinygrad_rnn")
    assert files.joinpath("py.typed").is_file()
    assert files.joinpath("data/sunspots.csv").is_file()
    readme = files.joinpath("data/README.md").read_text(encoding="utf-8")
    for word in ("Source", "Licence", "Date", "public domain"):
        assert word in readme


def test_every_public_name_is_there():
    for name in tinygrad_rnn.__all__:
        assert getattr(tinygrad_rnn, name) is not None
    assert sorted(set(tinygrad_rnn.__all__)) == sorted(tinygrad_rnn.__all__)


def test_console_script_is_the_command():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, entry = (part.strip() for part in setup["options.entry_points"]["console_scripts"].split("="))
    module, function = entry.split(":")
    assert name == "tinygrad-rnn"
    assert getattr(importlib.import_module(module), function) is tinygrad_rnn.cli.main
