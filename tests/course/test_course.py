"""The course: lessons run and say what is stored, exercises tell right from wrong, the notebook is up to date.

What lessons say is stored in golden/lessons; `python -m tests.course.test_course` stores it anew.
"""

from __future__ import annotations

import ast
import functools
import json
import math
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pexpect
import pytest
from IPython.core.inputtransformer2 import TransformerManager

from ..same_text import assert_same
from .course_solutions import MISTAKES, SOLUTIONS

if TYPE_CHECKING:
    from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
DEMOS = ROOT / "demos"
STORED = ROOT / "tests" / "golden" / "lessons"
LESSONS = sorted(DEMOS.glob("[0-9][0-9]_*.py"))
ENVIRONMENT = {**os.environ, "PYTHONPATH": str(ROOT), "PYTHONIOENCODING": "utf-8"}

sys.path.insert(0, str(DEMOS))
from lesson import EXERCISES, check, verdict  # noqa: E402
from make_notebook import notebook  # noqa: E402

sys.path.remove(str(DEMOS))


def run(lesson: Path, folder: Path) -> str:
    """What a lesson prints, but for what differs from run to run."""
    done = subprocess.run(
        [sys.executable, str(lesson), str(folder)],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    assert not done.stderr
    return without_times(done.stdout.replace(str(folder) + os.sep, "FOLDER/"))


def without_times(text: str) -> str:
    return re.sub(r"^measured: .*$", "measured: …", text, flags=re.MULTILINE)


def execute(source: str, folder: Path) -> NotebookNode:
    # Here, since importing them takes two seconds, and most tests run no notebook.
    import nbformat
    from nbclient import NotebookClient

    book = nbformat.reads(source, as_version=4)
    nbformat.validate(book)
    resources = {"metadata": {"path": str(folder)}}
    NotebookClient(book, timeout=120, kernel_name="python3", resources=resources).execute()
    return book


def printed(book: NotebookNode) -> str:
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    return "".join(output.text for output in outputs if output.output_type == "stream")


def kinds(book: NotebookNode) -> list[str]:
    """The kind of every picture and page that was displayed."""
    outputs = [output for cell in book.cells if cell.cell_type == "code" for output in cell.outputs]
    return [max(output.data.keys() - {"text/plain"}, default="text") for output in outputs if "data" in output]


# ---- lessons ---------------------------------------------------------------------------------------------------


def test_the_lessons_are_numbered() -> None:
    assert [int(lesson.name[:2]) for lesson in LESSONS] == list(range(1, len(LESSONS) + 1))


@pytest.mark.slow
@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_says_what_is_stored_and_draws_its_picture(lesson: Path, tmp_path: Path) -> None:
    said = run(lesson, tmp_path)
    assert_same(said, (STORED / f"{lesson.stem}.txt").read_text(encoding="utf-8"))
    _, *answers = re.sub(r"^(Picture|Exercise).*$", "", said, flags=re.MULTILINE).split("\n? ")
    assert answers
    assert all(answer.partition("\n")[2].strip() for answer in answers)  # something is said after every question
    assert re.search(r"^Exercise \w+: not solved yet\.$", said, flags=re.MULTILINE)
    (picture,) = tmp_path.iterdir()
    assert picture.stem == lesson.stem
    content = picture.read_bytes()
    assert content.startswith(b"\x89PNG") or b"</svg>" in content


@pytest.mark.parametrize("lesson", LESSONS, ids=lambda lesson: lesson.stem)
def test_a_lesson_is_short_and_asks_before_it_tells(lesson: Path) -> None:
    source = lesson.read_text(encoding="utf-8")
    assert source.startswith(f"# %% [markdown]\n# # {int(lesson.name[:2])} · ")
    code = [line for line in source.splitlines() if line.strip() and not line.startswith("#")]
    assert len(code) <= 60
    asking = [cell.partition("\nask(") for cell in source.split("# %%") if "\nask(" in cell]
    assert asking
    assert not [rest for _, _, rest in asking if "\nprint(" in rest]  # the answer is in another cell
    (exercise,) = re.findall(r"^check\((\w+)\)$", source, flags=re.MULTILINE)
    (function,) = [
        node for node in ast.parse(source).body if isinstance(node, ast.FunctionDef) and node.name == exercise
    ]
    solved = SOLUTIONS[exercise].__code__
    assert tuple(argument.arg for argument in function.args.args) == solved.co_varnames[: solved.co_argcount]
    assert ast.get_docstring(function)
    assert isinstance(function.body[-1].value, ast.Constant)  # …: it is the learner's turn


def test_at_a_terminal_a_question_waits_for_a_guess(tmp_path: Path) -> None:
    terminal = pexpect.spawn(
        sys.executable, [str(LESSONS[0]), str(tmp_path)], env=ENVIRONMENT, encoding="utf-8", timeout=60
    )
    terminal.expect("Your guess, then Enter: ")
    assert "a.grad" not in terminal.before
    terminal.sendline("30 and 20")
    terminal.expect_exact("a.grad = 0 + 3·10 = 30")
    terminal.expect_exact("not solved yet.")
    terminal.expect(pexpect.EOF)


def test_a_lesson_says_in_a_line_what_is_not_installed() -> None:
    lesson = str(DEMOS / "04_tanh.py")
    without = f"import runpy, sys; sys.modules['matplotlib'] = None; sys.path.insert(0, {str(DEMOS)!r}); "
    done = subprocess.run(
        [sys.executable, "-c", without + f"runpy.run_path({lesson!r})"],
        capture_output=True,
        encoding="utf-8",
        env=ENVIRONMENT,
        stdin=subprocess.DEVNULL,
        timeout=60,
    )
    assert done.returncode == 1
    assert done.stderr == "error: plots need matplotlib. pip install 'tinygrad_rnn[plot]'\n"


@pytest.mark.slow
def test_a_lesson_opens_as_a_notebook(tmp_path: Path) -> None:
    lesson = DEMOS / "04_tanh.py"
    book = execute(notebook(lesson.read_text(encoding="utf-8")), DEMOS)
    stored = (STORED / "04_tanh.txt").read_text(encoding="utf-8")
    assert_same(printed(book), re.sub(r"\nPicture: .*\n", "", stored))
    assert kinds(book) == ["image/png"]


def test_the_page_of_the_course_lists_every_lesson_in_order() -> None:
    page = (DEMOS / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| \[(\d+)\]\((.*?)\) .*\| (I|II|III|IV) \|$", page, flags=re.MULTILINE)
    assert [file for _, file, _ in rows] == [lesson.name for lesson in LESSONS]
    assert [int(number) for number, _, _ in rows] == list(range(1, len(LESSONS) + 1))
    assert "(course.ipynb)" in page
    assert "(demos/README.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


# ---- exercises -------------------------------------------------------------------------------------------------


def test_every_lesson_has_its_own_exercise() -> None:
    asked = [re.findall(r"^check\((\w+)\)$", lesson.read_text(encoding="utf-8"), re.MULTILINE) for lesson in LESSONS]
    assert sorted(name for (name,) in asked) == sorted(EXERCISES) == sorted(SOLUTIONS) == sorted(MISTAKES)


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_solution_is_accepted(name: str) -> None:
    assert verdict(SOLUTIONS[name]) == "solved."


@pytest.mark.parametrize("name", SOLUTIONS)
def test_the_solution_is_accepted_in_numpys_arrays_and_numbers(name: str) -> None:
    @functools.wraps(SOLUTIONS[name])
    def solution(*arguments: object) -> object:
        answer = SOLUTIONS[name](*arguments)
        return (
            {key: np.float64(entry) for key, entry in answer.items()} if isinstance(answer, dict) else np.array(answer)
        )

    assert verdict(solution) == "solved."


@pytest.mark.parametrize(("name", "number"), [(name, i) for name in MISTAKES for i in range(len(MISTAKES[name]))])
def test_a_mistake_is_told_with_a_hint(name: str, number: int) -> None:
    said = verdict(MISTAKES[name][number])
    assert said.startswith(f"not yet: {name}(")
    assert EXERCISES[name].hint in said


def test_what_a_learner_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    def quotient(a, b, gradient):
        return -gradient / b, gradient * a / b**2

    check(quotient)
    assert "gave (-0.5, 1.5). Only the sign is wrong. Hint: " in capsys.readouterr().out

    def reaches(k, t, chunk):
        return True

    assert re.search(r"reaches\(1, 2, 1\) gave True\. \d+ of 135 cases are right\. Hint", verdict(reaches))

    def chain(w, h, k):
        return None if k else SOLUTIONS["chain"](w, h, k)

    assert re.search(r"chain\(0\.9, \[.*\], 1\) returned None\. 2 of 5 cases are right\. Hint", verdict(chain))

    def tanh_slope(h):
        raise ValueError("no slope")

    assert verdict(tanh_slope).startswith("not yet: tanh_slope(0) raised ValueError: no slope. Hint: ")

    def clipped(gradient, limit):  # lengthens short ones, and fails at 0
        norm = math.hypot(*gradient)
        return [g * limit / norm for g in gradient]

    assert re.match(r"not yet: clipped\(\[.*\], \d+\) gave .* cases are right\. Hint: ", verdict(clipped))

    def in_order(operands):
        return iter(operands)

    assert verdict(in_order).startswith("not yet: in_order({'y': ['x'], 'x': []}) gave <dict_keyiterator")


def test_a_function_may_take_its_arguments_apart() -> None:
    def in_order(operands):  # Kahn 1962
        order = []
        while operands:
            order.append(next(n for n in operands if not any(n in those for those in operands.values())))
            del operands[order[-1]]
        return order

    assert verdict(in_order) == "solved."


# ---- the notebook ----------------------------------------------------------------------------------------------


def test_the_notebook_is_made_from_its_script() -> None:
    script, book = DEMOS / "course.py", DEMOS / "course.ipynb"
    assert book.read_text(encoding="utf-8") == notebook(script.read_text(encoding="utf-8")), (
        "run demos/make_notebook.py on it"
    )


@pytest.mark.slow
def test_the_notebook_runs_and_says_what_is_stored(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", str(ROOT))
    book = execute((DEMOS / "course.ipynb").read_text(encoding="utf-8"), tmp_path)
    assert_same(printed(book), (STORED / "course.txt").read_text(encoding="utf-8"))
    assert kinds(book) == ["image/svg+xml"] * 2 + ["image/png"] * 2 + ["text/html"] + ["image/png"] * 2
    assert not list(tmp_path.iterdir())


def test_the_exercise_of_the_notebook_knows_the_solution(capsys: pytest.CaptureFixture[str]) -> None:
    until_there, _, _ = (DEMOS / "course.py").read_text(encoding="utf-8").partition("# %%\nthree = ")
    begin, _, loop = until_there.replace("draw(short, loss)", "").partition("\nfor k in ")
    names: dict[str, object] = {}
    exec(begin, names)
    for chain, said in (names["chain"], "not solved yet"), (SOLUTIONS["chain"], "solved"):
        capsys.readouterr()
        exec(f"for k in {loop}", {**names, "chain": chain})
        assert re.findall(r": ([a-z ]+)$", capsys.readouterr().out, flags=re.MULTILINE) == [said] * 3


@pytest.mark.parametrize("place", ["checkout", "wheel", "nowhere", "installed"])
def test_the_notebook_installs_what_is_beside_it_if_the_package_is_missing(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    book = json.loads((DEMOS / "course.ipynb").read_text(encoding="utf-8"))
    cell = next(cell for cell in book["cells"] if cell["cell_type"] == "code")
    asked = []

    class Shell:
        def run_line_magic(self, *magic: object) -> None:
            asked.append(magic[:2])

    for version in "0.1", "0.2":
        (tmp_path / f"tinygrad_rnn-{version}-py3-none-any.whl").touch()
    (tmp_path / "empty").mkdir()
    folder = {"checkout": DEMOS, "wheel": tmp_path, "nowhere": tmp_path / "empty", "installed": DEMOS}[place]
    monkeypatch.chdir(folder)
    monkeypatch.setattr("importlib.util.find_spec", lambda name: object() if place == "installed" else None)
    names = {"get_ipython": Shell}
    exec(TransformerManager().transform_cell("".join(cell["source"])), names)
    if place == "installed":
        assert not asked
        return
    assert asked == [("pip", 'install -q "{package}[notebook,plot]"')]
    wheel = tmp_path / "tinygrad_rnn-0.2-py3-none-any.whl"
    assert names["package"] == {"checkout": ROOT.resolve(), "wheel": wheel, "nowhere": "tinygrad_rnn"}[place]


def test_make_notebook_says_what_it_cannot_do(tmp_path: Path) -> None:
    plain, binary, lesson = tmp_path / "plain.py", tmp_path / "binary.py", tmp_path / "lesson.py"
    plain.write_text("print(1)\n")
    binary.write_bytes(b"\xff\xfe")
    lesson.write_text("# %%\n1 + 1\n")

    def make(*scripts: Path) -> tuple[int, str]:
        command = [sys.executable, str(DEMOS / "make_notebook.py"), *map(str, scripts)]
        done = subprocess.run(command, capture_output=True, encoding="utf-8", env=ENVIRONMENT, timeout=60)
        return done.returncode, (done.stdout + done.stderr).rstrip().rpartition("\n")[2]

    before = (DEMOS / "course.ipynb").stat().st_mtime_ns
    assert "arguments are required: SCRIPT.py" in make()[1]
    assert (DEMOS / "course.ipynb").stat().st_mtime_ns == before
    assert make(tmp_path / "nofile.py")[1].endswith("nofile.py cannot be read (No such file or directory)")
    assert "binary.py cannot be read (it is no text)" in make(binary)[1]
    assert "plain.py is no script in percent format" in make(plain)[1]
    assert make(lesson) == (0, f"Notebook: {tmp_path / 'lesson.ipynb'}")
    assert "lesson.ipynb is no script in percent format" in make(tmp_path / "lesson.ipynb")[1]
    assert sorted(path.suffix for path in tmp_path.iterdir()) == [".ipynb", ".py", ".py", ".py"]


if __name__ == "__main__":
    STORED.mkdir(exist_ok=True)
    for each in LESSONS:
        with tempfile.TemporaryDirectory() as scratch:
            (STORED / f"{each.stem}.txt").write_text(run(each, Path(scratch)), encoding="utf-8")
    os.environ["PYTHONPATH"] = str(ROOT)
    course = (DEMOS / "course.py").read_text(encoding="utf-8")
    (DEMOS / "course.ipynb").write_text(notebook(course), encoding="utf-8")
    with tempfile.TemporaryDirectory() as scratch:
        (STORED / "course.txt").write_text(printed(execute(notebook(course), Path(scratch))), encoding="utf-8")
