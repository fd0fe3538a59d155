"""The package as a whole: what importing it costs and what is installed along with it."""

import configparser
import importlib
import re
import subprocess
import sys
from importlib import metadata, resources
from pathlib import Path

import pytest
from packaging.requirements import Requirement

import tinygrad_rnn
import tinygrad_rnn.cli
from tinygrad_rnn.tasks import TASKS

ROOT = Path(__file__).parents[2]

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
    assert "engine" in rooms
    assert not rooms & {"pictures", "plots", "cli", "data", "compile", "page", "debugger", "sweep", "interop"}


def test_data_and_type_marker_are_package_data():
    files = resources.files("tinygrad_rnn")
    assert files.joinpath("py.typed").is_file()
    assert files.joinpath("data/sunspots.csv").is_file()
    assert files.joinpath("README.md").is_file()
    assert files.joinpath("compile/README.md").is_file()
    readme = files.joinpath("data/README.md").read_text(encoding="utf-8")
    for word in ("Source", "Licence", "Date", "public domain"):
        assert word in readme


def test_every_public_name_is_there():
    for name in tinygrad_rnn.__all__:
        assert getattr(tinygrad_rnn, name) is not None
    assert sorted(set(tinygrad_rnn.__all__)) == sorted(tinygrad_rnn.__all__)


WITH_WHEELS = [("linux", "x86_64"), ("linux", "aarch64"), ("darwin", "x86_64"), ("darwin", "arm64")]
WITH_WHEELS += [("win32", "AMD64"), ("win32", "ARM64")]
WITHOUT_WHEELS = [("emscripten", "wasm32"), ("linux", "armv7l"), ("linux", "i686"), ("linux", "riscv64")]
WITHOUT_WHEELS += [("win32", "x86"), ("freebsd14", "amd64"), ("android", "aarch64"), ("ios", "iPhone15,2")]


@pytest.mark.parametrize(("system", "machine"), [*WITH_WHEELS, *WITHOUT_WHEELS])
def test_the_embedded_graphviz_is_asked_for_where_it_has_wheels(system, machine):
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    requirements = [Requirement(line) for line in lines if line and not line.startswith("#")]
    environment = {"sys_platform": system, "platform_machine": machine}
    names = [r.name for r in requirements if r.marker is None or r.marker.evaluate(environment)]
    assert names.count("graphviz-pure") == ((system, machine) in WITH_WHEELS)
    assert names.count("graphviz") == 1


def test_the_limits_name_what_is_installed_by_hand_where_the_embedded_graphviz_has_no_wheel():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    lines = setup["options"]["install_requires"].splitlines()
    names = sorted({Requirement(line).name for line in lines if line and not line.startswith("#")} - {"graphviz-pure"})
    limits = (ROOT / "tinygrad_rnn" / "LIMITS.md").read_text(encoding="utf-8")
    assert f"`pip install {' '.join(names)} && pip install --no-deps .`" in limits


def needed():
    """The packages that the extra ``dev`` installs."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = {name: lines.split("\n")[1:] for name, lines in setup["options.extras_require"].items()}
    itself, *others = extras["dev"]
    own = re.fullmatch(r"tinygrad_rnn\[(.+)\]", itself)[1].split(",")
    return {re.split("[<>=]", line)[0] for line in sum((extras[name] for name in own), others)}


@pytest.mark.parametrize("package", sorted(needed()))
def test_what_the_tests_need_is_installed(package):
    assert metadata.version(package), "pip install -e '.[dev]'"


def test_no_test_is_left_out_for_want_of_a_package_but_torch():
    may_lack = {"torch"} | {package.replace("-", "_") for package in needed()} | set(sys.stdlib_module_names)
    for file in ROOT.glob("tests/**/*.py"):
        for module in re.findall(r"importorskip\(\s*\"(\w+)", file.read_text(encoding="utf-8")):
            assert module in may_lack, f"{file.name} is left out without {module}, which dev does not install"


def test_the_citation_is_of_this_version():
    citation = (ROOT / "CITATION.cff").read_text(encoding="utf-8")
    assert f"\nversion: {tinygrad_rnn.__version__}\n" in citation


def test_no_code_of_the_package_loads_a_pickle_from_a_file():
    found = {
        file.relative_to(ROOT).as_posix()
        for file in (ROOT / "tinygrad_rnn").rglob("*.py")
        if re.search(r"(pickle|Pickler|marshal|shelve)\.(loads?|Unpickler|open)\b", file.read_text(encoding="utf-8"))
    }
    assert found == {"tinygrad_rnn/sweep/pool.py"}  # what a process is sent by the one that started it


#: Rooms with a module for each thing of a kind, which need no list.
ONE_EACH = {
    "cli": set(tinygrad_rnn.cli.COMMANDS),
    "tasks": {task.__module__.rpartition(".")[2] for task in TASKS.values()},
}
ROOMS = [path.parent for path in (ROOT / "tinygrad_rnn").rglob("*/__init__.py")]


@pytest.mark.parametrize("room", ROOMS, ids=lambda room: room.name)
def test_the_reading_guide_of_a_room_names_every_module(room):
    guide = "".join(p.read_text(encoding="utf-8") for p in (room / "__init__.py", room / "README.md") if p.exists())
    modules = {p.stem for p in room.glob("*.py")} | {p.parent.name for p in room.glob("*/__init__.py")}
    for module in modules - {"__init__"} - ONE_EACH.get(room.name, set()):
        assert re.search(rf"`{module}(\.py)?`|\({module}/__init__\.py\)", guide), module


def test_console_script_is_the_command():
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    name, entry = (part.strip() for part in setup["options.entry_points"]["console_scripts"].split("="))
    module, function = entry.split(":")
    assert name == "tinygrad-rnn"
    assert getattr(importlib.import_module(module), function) is tinygrad_rnn.cli.main


def test_the_tests_that_are_tried_with_the_sdist_exist():
    script = ROOT / ".ci" / "packages.py"
    if not script.exists():
        pytest.skip("the scripts that make the packages are no part of what is installed")
    (names,) = re.findall(r"OF_THE_SDIST = \[(.*?)\]", script.read_text(encoding="utf-8"), re.DOTALL)
    for name in re.findall(r'"(.+?)"', names):
        assert (ROOT / "tests" / f"{name}.py").is_file(), name
