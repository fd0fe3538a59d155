"""The command: the main job and its numbers, how it ends, and what it prints where."""

import argparse
import json
import math
import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree
from pathlib import Path

import numpy as np
import pytest

from tinygrad_rnn.cli import COMMANDS, MAIN_JOB, main, make_parser
from tinygrad_rnn.cli.inputs import input_options, read_problem
from tinygrad_rnn.cli.options import Parser, add_options
from tinygrad_rnn.data import sunspots
from tinygrad_rnn.nn.cells import NONLINEARITIES
from tinygrad_rnn.pictures.drawing import SUFFIXES

ROOT = Path(__file__).parents[2]
PROGRAM = [sys.executable, "-m", "tinygrad_rnn"]


def run(*arguments, **options):
    return subprocess.run([*PROGRAM, *arguments], capture_output=True, text=True, timeout=60, **options)


# ---- the main job -------------------------------------------------------------------------------------------


def test_without_arguments_it_does_the_main_job_on_real_numbers():
    done = run()
    assert (done.returncode, done.stderr) == (0, "")
    assert "yearly sunspot numbers, 1980 to 1991" in done.stdout
    table = [re.split("  +", line.strip()) for line in done.stdout.splitlines() if line.endswith((" agree", " yes"))]
    rows = [dict(zip(reversed(table[0]), reversed(cells))) for cells in table[1:]]  # k = 0 has no input
    assert [cells[0] for cells in table[1:]] == [str(k) for k in range(12, -1, -1)]
    assert [float(row["w^(T−k)"]) for row in rows] == pytest.approx([0.9**lag for lag in range(13)], rel=1e-5)
    assert [float(row["∂L/∂h_k"]) for row in rows] == pytest.approx(
        [float(row["by the chain"]) for row in rows], rel=1e-5
    )
    assert "Picture: bptt.svg" in done.stdout
    assert Path("bptt.svg").read_text(encoding="utf-8").rstrip().endswith("</svg>")


@pytest.mark.parametrize(("w", "u", "b", "steps"), [(0.9, 0.5, 0.0, 12), (-1.5, 0.2, 0.1, 30), (2.5, 0.01, 0.0, 5)])
def test_numbers_are_those_of_backpropagation_through_time_by_hand(report, w, u, b, steps):
    found = report("--w", str(w), "--u", str(u), "--b", str(b), "--steps", str(steps), "--no-picture")
    raw = sunspots().until("1992").numbers[-steps - 1 :]
    low, high = min(raw), max(raw)
    *xs, target = [2.0 * (number - low) / (high - low) - 1.0 for number in raw]
    h = [0.0]
    for x in xs:
        h.append(math.tanh(w * h[-1] + u * x + b))
    assert found["loss"] == pytest.approx((h[-1] - target) ** 2, rel=1e-9)
    gradient, w_grad = 2.0 * (h[-1] - target), 0.0
    product = 1.0
    for k, row in zip(range(steps, -1, -1), found["table"]):
        assert row["k"] == k
        assert row["h"] == pytest.approx(h[k], rel=1e-9)
        assert row["gradient"] == pytest.approx(gradient, rel=1e-9)
        assert row["chain"] == pytest.approx(gradient, rel=1e-9)
        assert row["factor"] == pytest.approx(product, rel=1e-9)
        assert row["law"] == pytest.approx(w ** (steps - k), rel=1e-12)
        assert row["agrees"] is True
        slope = 1.0 - h[k] ** 2
        w_grad += gradient * slope * h[k - 1] if k else 0.0
        gradient *= w * slope
        product *= w * slope
    assert found["gradients"]["w"] == pytest.approx(w_grad, rel=1e-9)
    assert found["kept"] == pytest.approx(abs(found["table"][-1]["factor"]), rel=1e-12)
    assert found["lag"] == steps
    assert found["factor"] == pytest.approx(found["kept"] ** (1.0 / steps), rel=1e-14)


def test_a_gradient_without_digits_is_neither_said_to_agree_nor_to_be_a_bug(capsys):
    command = ["--no-picture", "--b", "20", "--steps", "4"]  # tanh is saturated at every step
    assert main(command) == 0
    printed = capsys.readouterr().out
    assert "At 4 of 5 states, from step 3 back, the gradient has no digits left" in " ".join(printed.split())
    assert "They agree" not in printed
    assert [line.split()[0] for line in printed.splitlines() if line.endswith("yes")] == ["4"]
    assert [line.split()[0] for line in printed.splitlines() if line.endswith("no digits")] == ["3", "2", "1", "0"]
    assert main([*command, "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["table"]
    assert [row["digits_left"] for row in rows] == [row["agrees"] for row in rows] == [True, False, False, False, False]
    assert main([*command, "--nonlinearity", "tanh_exact"]) == 0
    assert "They agree at all 5 states" in " ".join(capsys.readouterr().out.split())


def test_a_number_may_be_negative_and_in_scientific_notation(report):
    assert report("--w", "-1.5e-1", "--b", "-.25", "--no-picture")["cell"] == {
        "type": "ScalarRNNCell",
        "w": -0.15,
        "u": 0.5,
        "b": -0.25,
    }


@pytest.mark.parametrize(
    ("w", "verdict"),
    [(0.5, "vanishes"), (0.8, "shrinks"), (0.999, "keeps its size"), (1.25, "grows"), (1.5, "explodes")],
)
def test_a_linear_cell_follows_the_law(report, capsys, w, verdict):
    options = ("--nonlinearity", "identity", "--w", str(w), "--no-picture")
    found = report(*options)
    assert found["verdict"] == verdict
    for row in found["table"]:
        assert row["factor"] == pytest.approx(row["law"], rel=1e-14)
    assert main(options) == 0
    assert "as the law w^12 says" in capsys.readouterr().out.replace("\n ", "")


def test_the_verdict_is_about_the_last_loss_alone(report, capsys):
    # A loss at every step: the whole gradient at h_0 is 0.6 of that at h_12, though little of it came from there.
    found = report("--loss", "all", "--no-picture")
    assert abs(found["table"][12]["gradient"] / found["table"][0]["gradient"]) == pytest.approx(0.5995, abs=0.001)
    assert found["kept"] == pytest.approx(abs(found["table"][12]["factor"]), rel=1e-12)
    assert found["verdict"] == "vanishes"
    assert main(["--loss", "all", "--no-picture"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert (
        "The gradient of the last loss vanishes: over 12 steps from h_12 to h_0 it is multiplied by 0.004174" in printed
    )


def test_the_verdict_is_about_the_part_of_the_state_that_was_named(report, capsys):
    command = ["--cell", "lstm", "--steps", "4", "--no-picture"]
    whole, part = report(*command), report(*command, "--state", "c")
    assert whole["kept"] != part["kept"] == report(*command, "--state", "c", "--loss", "all")["kept"]
    assert main([*command, "--state", "c"]) == 0
    assert "over 4 steps from c_4 to c_0 it is" in " ".join(capsys.readouterr().out.split())
    assert main([*command, "--state", "d"]) == 2


def test_norms_of_matrices_are_spectral_norms(report):
    found = report("--text", "hello", "--hidden", "3", "--seed", "7", "--no-picture")
    W = np.array(found["cell"]["W"])
    chain = np.eye(3)
    for lag, row in enumerate(found["table"]):
        assert row["factor"] == pytest.approx(np.linalg.norm(chain, 2), rel=1e-12)
        assert row["law"] == pytest.approx(np.linalg.norm(W, 2) ** lag, rel=1e-12)
        assert found["kept"] <= row["factor"] * (1 + 1e-12) or lag < found["lag"]
        chain = chain @ np.diag(1.0 - np.array(row["h"]) ** 2) @ W


def numbers_in(text):
    """The numbers behind signs of equality, however they are written."""
    powers = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
    found = re.findall(r"= (−?[\d.]+)(?:×10([⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+))?", text)
    return [float(f"{number.replace('−', '-')}e{power.translate(powers) or 0}") for number, power in found]


@pytest.mark.parametrize("more", [["--hidden", "3"], ["--hidden", "1", "--seed", "1"], ["--w", "-1.2"]], ids=str)
def test_table_json_and_picture_have_the_same_numbers_under_the_same_names(more, report, capsys):
    options = [*more, "--steps", "7"]
    last = report(*options, "--no-picture")["table"][-1]
    assert main([*options, "-o", "one.txt"]) == 0
    printed = " ".join(capsys.readouterr().out.split())
    _, equation, *rest = Path("one.txt").read_text(encoding="utf-8").splitlines()
    (law,) = [line for line in rest if "^(T−k) = " in line]
    assert abs(numbers_in(law)[-1]) == pytest.approx(abs(last["law"]), rel=0.006)
    assert abs(last["factor"]) == pytest.approx(abs(numbers_in(equation)[-2 if "≤" in equation else -1]), rel=0.006)
    if more[0] == "--hidden":
        assert "‖J_T ⋯ J_(k+1)‖ ‖W‖^(T−k) agree" in printed
        assert f"by the law it is at most ‖W‖^7 = {last['law']:.4g}" in printed
        assert law.startswith("at most ‖W‖^(T−k) = ")
    else:
        assert "Π w·tanh' w^(T−k) agree" in printed
        assert f"the law |w|^7 alone says {abs(last['law']):.4g}" in printed
        assert law.startswith("|w|^(T−k) = ")


@pytest.mark.parametrize("steps", ["1", "2", "3", "4"])
@pytest.mark.parametrize("detail", ["states", "values"])
def test_a_negative_target_is_not_subtracted_but_its_opposite_added(steps, detail, capsys):
    for name in ("one.svg", "one.txt", "one.mmd", "one.tex", "one.dot"):
        assert main(["--steps", steps, "--detail", detail, "--local-gradients", "-o", name]) == 0
        written = Path(name).read_text(encoding="utf-8")
        assert not re.search(r"[-−] ?\(?[-−]\d", written), name
    assert f"h_{steps} + 1" in Path("one.dot").read_text(encoding="utf-8")  # the last of the numbers is the lowest
    assert main(["step", "--steps", steps, "-c", "n", "-c", "p L"]) == 0
    assert f"L = (h_{steps} + 1)^2" in capsys.readouterr().out


def test_an_exploding_state_keeps_the_table_narrow(capsys):
    assert main(["--nonlinearity", "identity", "--w", "1e10", "--no-picture"]) == 0
    assert max(map(len, capsys.readouterr().out.splitlines())) < 100


def test_a_text_is_predicted_character_by_character(report):
    found = report("--text", "hello", "--hidden", "3", "--seed", "7", "--no-picture")
    assert [row["input"] for row in found["table"]] == ["l", "l", "e", "h", None]
    assert all(row["agrees"] for row in found["table"])
    assert len(found["cell"]["U"]) == 3
    assert len(found["cell"]["U"][0]) == len("ehlo")
    assert {"W[0,0]", "U[2,3]", "b[0]", "V[3,2]", "c[3]"} <= set(found["gradients"])
    # A uniform guess over four characters costs log 4; small random weights are near it.
    assert found["loss"] == pytest.approx(math.log(4), abs=0.5)


def test_a_loss_at_every_step_or_at_the_last(report):
    every, last = (report("--text", "hello", "--loss", which, "--no-picture") for which in ("all", "last"))
    assert every["loss"] != last["loss"]
    series = report("--loss", "all", "--steps", "5", "--no-picture")
    assert all(row["agrees"] for row in series["table"])


def test_a_column_of_a_file(report):
    Path("flow.csv").write_text("year,level\n1900,10\n1901,20\n1902,5\n1903,20\n", encoding="utf-8")
    found = report("--csv", "flow.csv", "--column", "level", "--steps", "2", "--no-picture")
    assert "level (flow.csv), 2 to 3" in found["sequence"]["title"]
    h_1 = math.tanh(0.5 * 1.0)
    assert found["table"][1]["h"] == pytest.approx(h_1)
    assert found["loss"] == pytest.approx((math.tanh(0.9 * h_1 - 0.5) - 1.0) ** 2)


def test_seeds_give_other_weights_and_the_same_seed_the_same(report):
    a, b, c = (report("--hidden", "2", "--seed", seed, "--no-picture") for seed in ("1", "1", "2"))
    assert a == b
    assert a["cell"]["W"] != c["cell"]["W"]


def test_overflow_is_told(capsys):
    assert main(["--w", "1e200", "--u", "0", "--no-picture"]) == 0
    said = capsys.readouterr().out
    assert "overflowed from step 10 back to 0" in said
    assert "overflow\n" in said


# ---- output -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["p.svg", "p.png", "p.dot"])
def test_the_picture_goes_where_it_is_told(name, capsys):
    assert main(["--steps", "2", "-o", name]) == 0
    assert f"Picture: {name}\n" in capsys.readouterr().out
    start = {"p.svg": b"<?xml", "p.png": b"\x89PNG", "p.dot": b"digraph"}[name]
    assert Path(name).read_bytes().startswith(start)
    assert main(["--steps", "2", "-o", name]) == 0
    assert f"Picture: {name} (overwritten)\n" in capsys.readouterr().out
    assert os.listdir() == [name]


def test_json_is_all_that_is_printed(capsys):
    assert main(["--json", "--steps", "3"]) == 0
    captured = capsys.readouterr()
    assert json.loads(captured.out)["picture"] == "bptt.svg"
    assert captured.err == ""


def test_json_has_no_numbers_that_json_lacks(capsys):
    def refuse(constant):
        raise AssertionError(constant)

    assert main(["--json", "--w", "1e200", "--u", "0", "--no-picture"]) == 0
    found = json.loads(capsys.readouterr().out, parse_constant=refuse)
    assert found["kept"] == "inf"
    assert found["verdict"] == "is infinite"


@pytest.mark.parametrize("option", ["--with", "--output"])
def test_a_module_of_one_cell_takes_no_option_of_the_page(option, capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert main(["explore", "--code", "step.mjs", option, {"--with": "lstm", "--output": "page.html"}[option]]) == 2
    assert f"{option} besides --code" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("command", "file"),
    [
        (["-o", "bptt.svg"], "bptt.svg"),
        (["truncate", "--picture", "cut.svg"], "cut.svg"),
        (["anatomy"], None),
        (["decay", "-o", "decay.csv"], "decay.csv"),
        (["explore", "-o", "page.html"], "page.html"),
        (["explore", "--code", "step.mjs"], "step.mjs"),
    ],
)
def test_quiet_prints_nothing(command, file, capsys):
    assert main([*command, "--quiet", "--steps", "3"]) == 0
    assert capsys.readouterr() == ("", "")
    assert os.listdir() == ([] if file is None else [file])


@pytest.mark.parametrize("command", [MAIN_JOB, *COMMANDS])
def test_every_command_that_writes_a_file_can_be_quiet(command):
    parser = make_parser(command)
    typed = {flag for action in parser._actions for flag in action.option_strings}
    assert ("--output" in typed) == ("--quiet" in typed)


CELLS = {"rnn": 1, "lstm": 2, "gru": 1}  # and the number of parts of the state


@pytest.mark.parametrize("cell", CELLS)
def test_the_main_job_on_every_cell(cell, report, capsys):
    found = report("--cell", cell, "--steps", "5", "--hidden", "3")
    assert (found["agrees"], len(found["state"]), found["state"][0]) == (True, CELLS[cell], "h")
    assert all(len(row[name]) == 3 for row in found["table"] for name in found["state"])
    assert all(len(row["gradient"]) == 3 * CELLS[cell] for row in found["table"])
    assert main(["--cell", cell, "--steps", "5", "--no-picture"]) == 0
    said = capsys.readouterr().out
    assert said.count("‖∂L/∂s_k‖") == said.count("‖c_k‖") == (cell == "lstm")
    assert ("s_5 to s_0" if cell == "lstm" else "h_5 to h_0") in " ".join(said.split())


@pytest.mark.slow
@pytest.mark.parametrize("cell", CELLS)
@pytest.mark.parametrize(
    "command",
    [
        ("anatomy", "--jacobians"),
        ("truncate", "--k2", "2", "--picture", "p.dot"),
        ("step", "-c", "c"),
        ("explore",),
        ("decay",),
        ("--local-gradients", "-o", "p.dot"),
        ("--detail", "values", "-o", "p.dot"),
    ],
)
@pytest.mark.parametrize("source", [(), ("--text", "hello")])
def test_every_command_takes_every_cell(cell, command, source, capsys):
    assert main([*command, "--cell", cell, "--hidden", "2", *source, "--steps", "4"]) == 0
    assert capsys.readouterr().err == ""


def test_the_chain_is_lit_to_the_part_of_the_state_that_is_named():
    for state, path in (("h", "h_0[0]"), ("c", "c_0[0]")):
        options = ["--cell", "lstm", "--hidden", "1", "--forget-bias", "3", "--steps", "3", "--state", state]
        assert main([*options, "--detail", "values", "-o", "p.dot", "--quiet"]) == 0
        assert f"Strongest path to ∂L/∂{path}" in Path("p.dot").read_text(encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "cp437", "latin-1", "utf-8"])
@pytest.mark.parametrize("arguments", [(), ("--text", "naïve 你"), ("--help",), ("--csv", "∂")])
def test_any_encoding_will_do(encoding, arguments, monkeypatch):
    monkeypatch.setenv("PYTHONIOENCODING", encoding)
    done = subprocess.run([*PROGRAM, *arguments, "--no-picture"], capture_output=True, timeout=60)
    assert done.returncode == (2 if "--csv" in arguments else 0)
    said = (done.stdout + done.stderr).decode(encoding)
    assert "Traceback" not in said
    if not arguments:
        assert ("∂L/∂h_k" if encoding == "utf-8" else "dL/dh_k") in said.replace("∂L/dh_k", "dL/dh_k")


def test_how_to_read_a_file_can_be_said(report):
    Path("peil.csv").write_text("2020;1,5\n2021;2,5\n2022;3,5\n", encoding="utf-8")
    how = "--no-header", "--separator", ";", "--decimal", ",", "--column", "2", "--labels", "1"
    found = report("--csv", "peil.csv", *how, "--no-picture")
    assert found["sequence"]["title"] == "column 2 (peil.csv), 2020 to 2021"
    assert [row["input"] for row in found["table"]] == ["2021", "2020", None]
    Path("flow.csv").write_text("1999\tlevel\n7\t1\n8\t2\n", encoding="utf-8")
    found = report("--csv", "flow.csv", "--separator", "tab", "--header", "--column", "1999", "--no-picture")
    assert found["sequence"]["title"] == "1999 (flow.csv), 1"
    Path("gaps.csv").write_text("flow,remark\n1,\n2,rain\n3,\n", encoding="utf-8")
    assert report("--csv", "gaps.csv", "--column", "flow", "--gaps-elsewhere", "--no-picture")["steps"] == 2


@pytest.mark.parametrize("detail", ["states", "values"])
def test_a_column_names_the_steps_in_table_and_picture(detail, report):
    rows = [f"2024-01-{day:02};{day % 3};{day * 100}" for day in range(1, 8)]
    Path("peil.csv").write_text("\n".join(["dag;peil;lang", *rows]), encoding="utf-8")
    arguments = "--csv", "peil.csv", "--column", "peil", "--steps", "4", "--detail", detail, "-o", "peil.svg"
    assert [row["input"] for row in report(*arguments)["table"]] == ["6", "5", "4", "3", None]
    assert "2024" not in Path("peil.svg").read_text(encoding="utf-8")
    days = ["2024-01-06", "2024-01-05", "2024-01-04", "2024-01-03"]
    assert [row["input"] for row in report(*arguments, "--labels", "dag")["table"]] == [*days, None]
    drawn = "".join(xml.etree.ElementTree.parse("peil.svg").getroot().itertext())
    assert [day for day in days if day in drawn] == days
    assert "2024-01-07" not in drawn  # it is only predicted


def test_names_in_a_file_cannot_forge_output(capsys):
    Path("f.csv").write_text("le\x1b[31mvel,day\n1,\x1b[32m\n2,\x08\n3,c\n", encoding="utf-8")
    column = "le\x1b[31mvel"
    assert main(["--csv", "f.csv", "--column", column, "--labels", "day", "-o", "f.svg"]) == 0
    assert main(["decay", "--csv", "f.csv", "--column", column, "-o", "decay.svg"]) == 0
    assert main(["explore", "--csv", "f.csv", "--column", column, "--labels", "day", "-o", "f.html"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "le\\x1b[31mvel" in said
    for picture in ("f.svg", "decay.svg"):
        xml.etree.ElementTree.parse(picture)
    assert "\x1b" not in Path("f.html").read_text(encoding="utf-8")


@pytest.mark.parametrize("columns", [24, 40, 60, 80, 200])
@pytest.mark.parametrize("arguments", [(), ("--text", "hello")])
def test_lines_fit_the_terminal(columns, arguments, monkeypatch, capsys):
    monkeypatch.setenv("COLUMNS", str(columns))
    assert main([*arguments, "--no-picture"]) == 0
    said = capsys.readouterr().out
    assert max(map(len, said.splitlines())) <= columns
    assert "\x1b" not in said


def test_text_cannot_forge_output(capsys):
    assert main(["--text", "a\x1b[31mb\nc\rd", "--no-picture"]) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said
    assert "\r" not in said


def test_version_and_help(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("tinygrad-rnn 0.")
    assert main(["--help"]) == 0
    said = capsys.readouterr().out
    for option in ("--w", "--u", "--b", "--steps", "--text", "--csv", "--column", "--hidden", "--seed", "--output"):
        assert option in said


def test_every_command_has_help_and_is_in_that_of_the_main_job(capsys):
    assert main(["--help"]) == 0
    listed = [line.split()[0] for line in capsys.readouterr().out.splitlines() if re.match("  [a-z]", line)]
    assert listed[-len(COMMANDS) :] == list(COMMANDS)
    for command in COMMANDS:
        assert main([command, "--help"]) == 0
        assert f"tinygrad-rnn {command}" in capsys.readouterr().out


def test_the_page_of_the_command_lists_every_command_in_the_order_of_the_help():
    page = (ROOT / "tinygrad_rnn" / "cli" / "README.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (`.+?) \|", page, flags=re.MULTILINE)
    assert re.findall(r"`(\w+)`", " ".join(rows)) == list(COMMANDS)


def test_every_module_with_options_is_a_command():
    folder = ROOT / "tinygrad_rnn" / "cli"
    modules = {file.stem for file in folder.glob("*.py") if "\nDESCRIPTION =" in file.read_text(encoding="utf-8")}
    assert modules == {MAIN_JOB, *COMMANDS}


@pytest.mark.parametrize("command", [MAIN_JOB, *COMMANDS])
def test_help_names_every_option_and_gives_defaults_in_one_form(command):
    parser = make_parser(command)
    said = parser.format_help()
    for action in parser._actions:
        if action.help == argparse.SUPPRESS:
            assert (command, action.dest) in {("decay", "w"), ("decay", "loss")}
            continue
        assert all(option in said for option in action.option_strings)
        assert action.help
        if action.default not in (None, False, argparse.SUPPRESS, []):
            default = " ".join(map(str, action.default)) if isinstance(action.default, tuple) else action.default
            assert action.help.endswith(f"(default: {default})"), action.help
        assert action.help.count("(default: ") <= 1
    assert not re.search(r"\((?!default)[^)]*\bby default\b", said)


def test_every_nonlinearity_can_be_chosen_wherever_there_is_a_choice():
    choices = [
        action.choices
        for command in COMMANDS
        for action in make_parser(command)._actions
        if action.dest == "nonlinearity"
    ]
    assert len(choices) == len(set(COMMANDS) - {"eval", "sample"})
    assert all(tuple(each) == tuple(NONLINEARITIES) for each in choices)


@pytest.mark.slow
@pytest.mark.parametrize("command", ["--help", "--version", *COMMANDS])
def test_only_the_module_of_the_command_that_was_named_is_imported(command):
    code = f"""
import sys
from tinygrad_rnn.cli import COMMANDS, main
main([{command!r}, "--help"])
print(*[name for name in [*COMMANDS, "main_job"] if f"tinygrad_rnn.cli.{{name}}" in sys.modules])
print(*[name for name in ("pictures", "plots", "page", "train", "debugger") if f"tinygrad_rnn.{{name}}" in sys.modules])
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    *_, commands, rooms = done.stdout.split("\n")[:-1]
    assert commands == (command if command in COMMANDS else "main_job")
    if command not in COMMANDS:
        assert rooms == ""


# ---- mistakes -----------------------------------------------------------------------------------------------

MISTAKES = {
    "missing file": (["--csv", "none.csv"], "cannot read 'none.csv': No such file or directory"),
    "a directory": (["--csv", "."], "cannot read '.'"),
    "unknown column": (["--csv", "good.csv", "--column", "c"], "no column called 'c'"),
    "which column": (["--csv", "good.csv"], "'year', 'level'"),
    "text cell": (["--csv", "bad.csv", "--column", "text"], "line 3, column 'text': 'high' is not a number"),
    "NaN cell": (["--csv", "bad.csv", "--column", "NaNs"], "line 3, column 'NaNs': 'nan' is not finite"),
    "inf cell": (["--csv", "bad.csv", "--column", "infs"], "line 3, column 'infs': '-inf' is not finite"),
    "empty cell": (["--csv", "bad.csv", "--column", "empty"], "line 3, column 'empty': the cell is empty"),
    "empty file": (["--csv", "empty.csv"], "empty.csv is empty"),
    "no rows": (["--csv", "header.csv"], "no rows"),
    "one row": (["--csv", "one.csv"], "only one number"),
    "empty text": (["--text", ""], "the text has 0 characters"),
    "one character": (["--text", "a"], "the text has 1 character"),
    "column without file": (["--column", "level"], "--column without --csv"),
    "labels without file": (["--labels", "year"], "--labels without --csv"),
    "no header without file": (["--no-header"], "--header without --csv"),
    "numbers in the first line": (["--csv", "good.csv", "--header", "--column", "1900"], "no column called '1900'"),
    "long separator": (["--csv", "good.csv", "--separator", ", "], "', ' is not a single sign, nor \"tab\""),
    "letter as separator": (["--csv", "good.csv", "--separator", "e"], "separator is 'e'"),
    "decimal sign": (["--csv", "good.csv", "--decimal", ";"], "invalid choice: ';'"),
    "two sequences": (["--text", "hello", "--csv", "good.csv"], "not allowed with"),
    "negative steps": (["--steps", "-3"], "'-3' is not a whole number of at least 1"),
    "no steps": (["--steps", "0"], "'0' is not a whole number of at least 1"),
    "half a step": (["--steps", "1.5"], "'1.5' is not a whole number of at least 1"),
    "steps in other digits": (["--steps", "\u0663"], "is not a whole number of at least 1"),
    "steps with an underscore": (["--steps", "1_0"], "'1_0' is not a whole number of at least 1"),
    "more steps than any list holds": (["--steps", str(2**63)], f"'{2**63}' is more than {2**63 - 1}"),
    "too many steps": (["--steps", "309"], "Ask for at most --steps 292"),
    "negative size": (["--hidden", "-1"], "'-1' is not a whole number of at least 1"),
    "too many units": (["--hidden", "2000000"], "--hidden = 2,000,000 takes about"),
    "no units": (["--hidden", "0"], "'0' is not a whole number of at least 1"),
    "negative seed": (["--seed", "-1"], "'-1' is not a whole number of at least 0"),
    "NaN weight": (["--w", "nan"], "'nan' is not a finite number"),
    "infinite weight": (["--u", "-inf"], "'-inf' is not a finite number"),
    "underscore": (["--w", "1_0"], "'1_0' is not a finite number"),
    "other digits": (["--w", "١"], "'١' is not a finite number"),
    "no number": (["--b", "high"], "'high' is not a finite number"),
    "scalar weight, vector cell": (["--hidden", "2", "--w", "1"], "--w is a weight of the scalar cell"),
    "scalar weight, text": (["--text", "hello", "--b", "1"], "--b is a weight of the scalar cell"),
    "scalar weight, cell": (["--cell", "gru", "--u", "1"], "--u is a weight of the scalar cell, which --cell"),
    "nonlinearity": (["--nonlinearity", "sin"], "invalid choice"),
    "unknown cell": (["--cell", "cnn"], "invalid choice: 'cnn'"),
    "nonlinearity of a gated cell": (["--cell", "lstm", "--nonlinearity", "relu"], "Only an rnn has a choice of it"),
    "no forget gate": (["--cell", "gru", "--forget-bias", "1"], "Only an lstm has a forget gate"),
    "forget bias of a scalar cell": (["--forget-bias", "1"], "Add --cell lstm"),
    "too many gated units": (["--cell", "lstm", "--hidden", "900000"], "--hidden = 900,000 takes about"),
    "no such state": (["--cell", "gru", "--state", "c"], "no state 'c'"),
    "format": (["-o", "picture.bmp"], "picture.bmp"),
    "no format": (["-o", "picture"], "picture"),
    "no directory": (["-o", "none/picture.svg"], "none/picture.svg"),
    "directory as picture": (["-o", "folder.svg"], "folder.svg"),
    "unknown option": (["--bogus", "3"], "--bogus"),
    "abbreviated option": (["--tex", "hello"], "--tex"),
    "unknown command": (["bogus"], "no command 'bogus'. tinygrad-rnn --help lists the commands"),
    "misspelt command": (["anatomi", "--json"], "no command 'anatomi'. Did you mean anatomy?"),
    "no command": ([""], "no command ''"),
    "module that is no command": (["options"], "no command 'options'"),
    "line break": (["--csv", "a\nb"], "cannot read"),
    "escape sequence": (["--csv", "\x1b[31m.csv", "--column", "\x1b[31m"], "no column called '\\x1b[31m'"),
}


@pytest.fixture
def files(tmp_path):
    """Good and bad files, and a directory that is called like a picture."""
    (tmp_path / "good.csv").write_text("year,level\n1900,1\n1901,2\n1902,3\n")
    (tmp_path / "bad.csv").write_text("text,NaNs,infs,empty\n1,1,1,1\nhigh,nan,-inf,\n1,1,1,1\n")
    (tmp_path / "empty.csv").write_text("")
    (tmp_path / "\x1b[31m.csv").write_text("\x1b[32m\n1\n2\n")
    (tmp_path / "header.csv").write_text("level\n")
    (tmp_path / "one.csv").write_text("level\n1\n")
    (tmp_path / "folder.svg").mkdir()
    return tmp_path


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_is_told_in_one_line_and_nothing_is_left_behind(mistake, files, error_of):
    arguments, message = MISTAKES[mistake]
    before = sorted(files.rglob("*"))
    assert message in error_of(*arguments)
    assert sorted(files.rglob("*")) == before


def test_an_error_is_short_and_plain(error_of):
    Path("\x1b[31m.csv").write_text(",".join(f"\x1b[32m{i}" for i in range(10**5)) + "\n1\n")
    for arguments in (["--csv", "\x1b[31m.csv"], ["--csv", "\x1b[31m.csv", "--column", "\x1b"], ["--csv", "x" * 10**5]):
        said = error_of(*arguments)
        assert said.strip().isprintable()
        assert len(said) < 2100


def test_a_mistake_ends_the_process_with_2():
    done = run("--csv", "none.csv")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1


def test_options_before_a_command_are_refused_rather_than_lost(capsys):
    assert main(["--w", "0.5", "anatomy"]) == 2
    assert "unrecognized arguments: anatomy" in capsys.readouterr().err


# ---- ends ---------------------------------------------------------------------------------------------------

POSIX = pytest.mark.skipif(os.name != "posix", reason="signals, pipes and devices of POSIX")


@POSIX
def test_a_closed_pipe_ends_it_quietly():
    process = subprocess.Popen([*PROGRAM, "--steps", "290"], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    process.stdout.close()
    assert process.stderr.read() == b""
    assert process.wait(timeout=60) == 141
    process.stderr.close()
    assert Path("bptt.svg").exists()


@POSIX
def test_head_gets_its_line():
    command = f"'{sys.executable}' -m tinygrad_rnn --help | head -1"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, timeout=60)
    assert done.stdout.startswith("usage: tinygrad-rnn")
    assert done.stdout.count("\n") == 1
    assert done.stderr == ""


@POSIX
def test_ctrl_c_ends_it_quietly():
    os.mkfifo("pipe.csv")
    process = subprocess.Popen(
        [*PROGRAM, "--csv", "pipe.csv"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, start_new_session=True
    )
    with open("pipe.csv", "w"):  # returns once the program reads
        process.send_signal(signal.SIGINT)
        assert process.communicate(timeout=60) == (b"", b"")
    assert process.returncode == 130
    assert os.listdir() == ["pipe.csv"]


@pytest.mark.slow
@POSIX
def test_ctrl_c_can_be_tested_in_a_background_job():
    test = f"{__file__}::{test_ctrl_c_ends_it_quietly.__name__}"
    done = subprocess.run(
        ["bash", "-c", "trap '' INT; exec \"$@\"", "bash", sys.executable, "-m", "pytest", "-q", test],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout


@POSIX
def test_a_full_disk_is_told():
    with open("/dev/full", "w") as full:
        done = subprocess.run([*PROGRAM, "--no-picture"], stdout=full, stderr=subprocess.PIPE, text=True, timeout=60)
    assert done.returncode == 2
    assert done.stderr == "tinygrad-rnn: error: output: No space left on device\n"


@POSIX
def test_closed_output_is_no_mistake():
    done = subprocess.run(["bash", "-c", f"'{sys.executable}' -m tinygrad_rnn >&-"], capture_output=True, timeout=60)
    assert (done.returncode, done.stderr) == (0, b"")
    assert os.listdir() == ["bptt.svg"]


@pytest.mark.parametrize("command", [["-o"], ["truncate", "--picture"]])
def test_the_picture_names_the_years_and_the_characters(command):
    assert main([*command, "years.txt", "--steps", "3"]) == 0
    drawn = Path("years.txt").read_text()
    assert all(year in drawn for year in ("1989", "1990", "1991"))
    assert main([*command, "text.txt", "--text", "a\nb a"]) == 0
    drawn = Path("text.txt").read_text().splitlines()
    steps = [line for line in drawn if "one-hot" in line]
    letters = ["a", "\\n", "b", " ", "a"]  # of time step 4, which is the first in the text, back to 1
    for row, given, target in zip(steps, letters[-2::-1], letters[:0:-1]):
        assert re.search(f"“{re.escape(given)}” +next “{re.escape(target)}” +says “(a|b| |\\\\n)”", row), row
    assert len(steps) == 4


def problem_of(*arguments):
    parser = Parser()
    add_options(parser, input_options())
    return read_problem(parser.parse_args(arguments))


def test_what_the_network_says_is_what_it_takes_for_most_probable():
    posed = problem_of("--text", "abracadabra", "--seed", "3")
    for t, notes in enumerate(posed.labels()["notes"], start=1):
        scores = [y.data for y in posed.unrolled.y[t]]
        assert notes == [f"next “{'abracadabra'[t]}”", f"says “{'abcdr'[scores.index(max(scores))]}”"]
    last = problem_of("--text", "abracadabra", "--seed", "3", "--loss", "last")
    assert last.labels()["notes"] == [*[[]] * 9, posed.labels()["notes"][-1]]


def test_the_help_names_every_kind_of_picture(capsys):
    for command in ([], ["truncate"]):
        assert main([*command, "--help"]) == 0
        said = capsys.readouterr().out
        assert all(suffix in said for suffix in SUFFIXES), command


def test_the_options_of_the_picture_set_what_is_on_it():
    options = "--detail gates --aspect 4:3 --max-steps 6 --title Lecture --no-values --cell lstm --quiet -o p.dot"
    assert main(options.split()) == 0
    source = Path("p.dot").read_text(encoding="utf-8")
    assert '"Lecture\\l"' in source
    assert len(re.findall(r'id="c_\d+"', source)) == 6
    assert "gatef_12" in source
    assert main(["--only", "3..5", "--quiet", "-o", "o.dot"]) == 0
    assert re.findall(r'id="(h_\d+)"', Path("o.dot").read_text(encoding="utf-8")) == ["h_3", "h_4", "h_5"]
    assert main(["truncate", "--k2", "3", "--only", "3..5", "--title", "Lecture", "--quiet", "--picture", "t.dot"]) == 0
    source = Path("t.dot").read_text(encoding="utf-8")
    assert re.findall(r'id="(h_\d+)"', source) == ["h_3", "h_4", "h_5"]
    assert '"Lecture\\l"' in source


@pytest.mark.parametrize("name", ["p.png", "p.tex", "p.txt"])
def test_what_cannot_move_is_not_animated(name, capsys):
    for command in (["-o"], ["truncate", "--picture"]):
        assert main([*command, name, "--animate", "--quiet"]) == 2
        assert name in capsys.readouterr().err
    assert not Path(name).exists()
    assert main(["--animate", "--quiet", "-o", "P.SVG"]) == 0
    assert "prefers-reduced-motion" in Path("P.SVG").read_text(encoding="utf-8")


@pytest.mark.parametrize("span", ["3-5", "5..3", "..", "a..b", "40..50"])
def test_a_range_of_time_steps_that_makes_no_sense_is_an_error(span, capsys):
    assert main(["--only", span, "-o", "o.dot"]) == 2
    assert span in capsys.readouterr().err
    assert not Path("o.dot").exists()
