"""The README and the pages that it links: their code runs and prints what they say, their commands work, their links
lead somewhere. The README's commands are those of CI, and the table of rooms is that of the imports."""

import ast
import contextlib
import functools
import io
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

import tinygrad_rnn
from tinygrad_rnn.cli import main

from ..same_text import assert_same

ROOT = Path(__file__).parents[2]
PACKAGE = Path(tinygrad_rnn.__file__).parent  # where the package is installed without the checkout, its pages are, too
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT)}


def _pages() -> dict[str, str]:
    """The pages for readers, by their path below the checkout."""
    found = {path.relative_to(PACKAGE.parent).as_posix(): path for path in sorted(PACKAGE.rglob("*.md"))}
    for name in ("README.md", "CONTRIBUTING.md", "SECURITY.md", "demos/README.md", "tests/README.md"):
        found[name] = ROOT / name
    found["tests/tools/benchmarks/README.md"] = ROOT / "tests" / "tools" / "benchmarks" / "README.md"
    return {name: path.read_text(encoding="utf-8") for name, path in found.items() if path.exists()}


PAGES = _pages()
README = PAGES["README.md"]
BLOCKS = {
    name: re.findall(r"^```(\w+)\n(.*?)^```$", text, flags=re.MULTILINE | re.DOTALL) for name, text in PAGES.items()
}


def test_there_is_something_to_check():
    languages = [language for language, _ in BLOCKS["README.md"]]
    assert {"sh", "python", "text", "console"} <= set(languages)


def test_the_readme_is_a_door():
    assert len(README.splitlines()) <= 200


PYTHON = [
    # What trains takes seconds.
    pytest.param(code, blocks[i + 1], id=f"{name}-{i}", marks=[pytest.mark.slow] if "/train/" in name else [])
    for name, blocks in BLOCKS.items()
    for i, (language, code) in enumerate(blocks)
    if language == "python"
]


@pytest.mark.usefixtures("ops_as_they_were", "empty_folder")
@pytest.mark.parametrize(("code", "following"), PYTHON)
def test_python_prints_the_text_below_it(code, following):
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        exec(compile(code, "README.md", "exec"), {"__name__": "__main__"})
    language, text = following
    assert language == "text"
    assert_same(printed.getvalue(), text)


SESSIONS = [
    (command, output)
    for blocks in BLOCKS.values()
    for language, text in blocks
    if language == "console"
    for command, output in re.findall(r"^\$ (.*)\n((?:(?!\$ ).*\n)*)", text, flags=re.MULTILINE)
]


@pytest.mark.parametrize(("command", "output"), SESSIONS)
@pytest.mark.usefixtures("empty_folder")
def test_console_shows_what_the_command_prints(command, output, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", "80")
    program, *arguments = shlex.split(command)
    assert program == "tinygrad-rnn"
    assert main(arguments) == 0
    assert_same(capsys.readouterr().out, output)


def commands(page):
    return [line for language, text in BLOCKS[page] if language == "sh" for line in text.splitlines()]


EXAMPLES = {
    name: lines for name in PAGES if (lines := [line for line in commands(name) if line.startswith("tinygrad-rnn")])
}


def test_every_use_has_example_command_lines():
    uses = ("bptt", "cli", "debugger", "page", "sweep", "train")
    assert {"README.md", *(f"tinygrad_rnn/{room}/README.md" for room in uses)} <= set(EXAMPLES)


@pytest.mark.slow
@pytest.mark.parametrize("page", EXAMPLES)
def test_example_command_lines_are_accepted(page, empty_folder, capsys):
    (empty_folder / "flow.csv").write_text("level\n1\n2\n4\n3\n")
    (empty_folder / "peil.csv").write_text("dag;peil\nma;12,5\ndi;13\nwo;11,75\n")
    for line in EXAMPLES[page]:
        arguments = shlex.split(line.partition("|")[0], comments=True)[1:]
        assert main(arguments) == 0, capsys.readouterr().err


def test_ci_runs_exactly_the_commands_of_the_readme():
    script = (ROOT / ".ci" / "run").read_text(encoding="utf-8").splitlines()
    set_up = [line for line in commands("README.md") if line.startswith("python3 -m venv")]
    assert len(set_up) == 2
    assert any(line.endswith("-m pytest -n auto") for line in set_up)
    for line in set_up:
        assert line in script


def test_the_example_has_at_most_ten_lines():
    code = next(text for language, text in BLOCKS["README.md"] if language == "python")
    assert len([line for line in code.splitlines() if line.strip()]) <= 10


ROOMS = re.findall(r"^\| `(.+?)` \|", PAGES["tinygrad_rnn/README.md"], flags=re.MULTILINE)


def test_rooms_and_pictures_exist():
    pictures = re.findall(r"!\[[^]]+\]\(([^)]+)\)", README)
    assert ROOMS
    assert pictures
    for path in (*ROOMS, *pictures):
        assert (ROOT / path).exists(), path


def _pages_of(folder):
    return [path.relative_to(ROOT).as_posix() for path in (ROOT / folder).rglob("*.md")]


@pytest.mark.parametrize("page", sorted({*PAGES, *_pages_of("demos"), *_pages_of("tests")}))
def test_every_link_leads_somewhere(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    for link in re.findall(r"\]\(([^)]+)\)", text):
        path, _, heading = link.partition("#")
        if "://" in link or (path and f" -o {path}\n" in text):  # a command of the page writes that file
            continue
        target = (ROOT / page).parent / path if path else ROOT / page
        assert target.exists(), link
        if heading:
            assert heading in _anchors(target.read_text(encoding="utf-8")), link


def test_every_test_file_has_its_place_in_the_table_of_tests():
    table = PAGES["tests/README.md"].partition("Mark a test")[0]
    named = re.findall(r"`((?:\w+/)+test_\w+)`", table)
    files = [path.relative_to(ROOT / "tests") for path in (ROOT / "tests").rglob("test_*.py")]
    assert set(named) == {path.with_suffix("").as_posix() for path in files}
    assert set(re.findall(r"`(test_\w+)`", PAGES["tests/README.md"])) <= {path.stem for path in files}


def _anchors(text):
    """What GitHub makes of the headings of a page."""
    headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings} | set(
        re.findall(r'<a id="(.+?)">', text)
    )


def test_every_page_can_be_reached_from_the_readme():
    reached, to_visit = set(), ["README.md"]
    while to_visit:
        page = to_visit.pop()
        if page in PAGES and page not in reached:
            reached.add(page)
            links = re.findall(r"\]\(([^)#]+)[^)]*\)", PAGES[page])
            to_visit += [Path(os.path.normpath(Path(page).parent / link)).as_posix() for link in links]
    assert reached == set(PAGES)


def test_every_room_is_in_the_table():
    package = ROOT / "tinygrad_rnn"
    files = {file.name for file in package.glob("*.py") if not file.name.startswith("__")}
    folders = {f"{file.parent.name}/" for file in package.glob("*/__init__.py")}
    assert {room.removeprefix("tinygrad_rnn/") for room in ROOMS} >= files | folders


def test_times_are_those_of_the_whole_table():
    table = (ROOT / "tests" / "tools" / "benchmarks" / "compiled.md").read_text(encoding="utf-8").replace("**", "")
    rows = [[cell.strip() for cell in line.strip("|").split("|")] for line in table.splitlines()]
    measured = [row[2:] for row in rows if row[:2] == ["RNN H=16", "35"]]
    assert len(measured) == 3
    shown = PAGES["tinygrad_rnn/compile/README.md"]
    for batch, exact, fast, c, jax, pytorch, casadi, _xad, eager, micrograd in measured:
        assert f"| {batch} | " + " | ".join((exact, fast, c, jax, pytorch, casadi, eager, micrograd)) + " |" in shown


@pytest.mark.slow
def test_the_pictures_are_what_their_script_draws(tmp_path):
    subprocess.run([sys.executable, "demos/picture.py", tmp_path], cwd=ROOT, env=ENVIRONMENT, check=True, timeout=60)
    drawn = {path.name: path.read_text(encoding="utf-8") for path in tmp_path.iterdir()}
    assert {"bptt.svg", "constant_error_path.svg", "decay_by_cell.svg"} < drawn.keys()
    for name, new in drawn.items():
        kept = (ROOT / "demos" / name).read_text(encoding="utf-8")
        assert _written(kept) == _written(new) != [], f"{name}: run python demos/picture.py"
        assert any(f"demos/{name})" in page for page in PAGES.values()), f"no page shows {name}"


def _written(svg):
    """All that is written in a picture; matplotlib draws it as curves and repeats it in comments. Which powers of ten
    it writes at an axis is its own choice, and differs between its versions."""
    found = re.findall(r"<text.*?>(.*?)</text>", svg) or re.findall(r"<!-- (.*?) -->", svg)
    return sorted(text for text in found if "mathdefault{10^" not in text)


def test_a_room_imports_only_rooms_that_stand_earlier_in_the_table():
    rooms = [Path(room).stem for room in ROOMS if room.startswith("tinygrad_rnn/")]
    for module, imported in imports().items():
        if len(module) < 2 or module[1] == "__main__":  # the package itself, which wires
            continue
        for other in imported - {("tinygrad_rnn",)}:
            assert rooms.index(other[1]) <= rooms.index(module[1]), f"{'.'.join(module)} imports {'.'.join(other)}"


def test_no_modules_import_each_other_in_a_circle():
    to_visit = {module: set(imported) - {("tinygrad_rnn",), module} for module, imported in imports().items()}
    while free := [module for module, imported in to_visit.items() if not imported]:
        for module in free:
            del to_visit[module]
        for imported in to_visit.values():
            imported.difference_update(free)
    assert not to_visit, "modules in a circle, or that import one that is"


@functools.cache
def imports() -> dict[tuple[str, ...], set[tuple[str, ...]]]:
    """What every module of the package imports of it, wherever the statement stands: inside functions and below
    ``if TYPE_CHECKING:``, too."""
    files = {}
    for file in (ROOT / "tinygrad_rnn").rglob("*.py"):
        parts = file.relative_to(ROOT).with_suffix("").parts
        files[parts[:-1] if parts[-1] == "__init__" else parts] = file
    found = {}
    for module, file in files.items():
        package = module if file.name == "__init__.py" else module[:-1]
        found[module] = set()
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.level:
                base = (*package[: len(package) - node.level + 1], *(node.module.split(".") if node.module else ()))
                found[module] |= {(*base, alias.name) if (*base, alias.name) in files else base for alias in node.names}
            elif isinstance(node, ast.Import | ast.ImportFrom):
                names = [node.module] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
                assert not any(name and name.split(".")[0] == "tinygrad_rnn" for name in names), file
    return found


def test_the_test_of_imports_sees_what_is_hidden_in_functions():
    assert ("tinygrad_rnn", "debugger") in imports()["tinygrad_rnn", "cli", "step"]
