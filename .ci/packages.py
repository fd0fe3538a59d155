"""Build the sdist and the wheel, and follow the README with each of them, installed outside the checkout.

    pip install build
    python .ci/packages.py [PYTHON ...]

Without arguments: with the oldest and the newest Python from 3.10 on that is found on the PATH or under pyenv.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from tests.pythons import OLDEST, interpreters  # noqa: E402

FROM_THE_README = "python_prints or console_shows or example_command_lines"
OF_THE_SDIST = [
    "engine/test_ops",
    "engine/test_hooks",
    "bptt/test_bptt_details",
    "data/test_series",
    "proofs/test_overflow",
]


def run(*command: object, cwd: Path = ROOT) -> str:
    """What a command prints; if it fails, all of that is shown, and nothing goes on."""
    environment = {**os.environ, "PIP_DISABLE_PIP_VERSION_CHECK": "1"}
    done = subprocess.run(
        [*map(str, command)], cwd=cwd, env=environment, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
    )
    if done.returncode:
        sys.exit(f"{' '.join(map(str, command))}: exit code {done.returncode}\n{done.stdout}")
    return done.stdout


def oldest_and_newest() -> list[str]:
    """The oldest and the newest Python here."""
    found = interpreters()
    if min(found) > OLDEST:
        print(f"no Python 3.10 here: the oldest that is tried is 3.{min(found)[1]}")
    return [found[version] for version in sorted({min(found), max(found)})]


def check_contents(wheel: Path, sdist: Path) -> None:
    """Nothing that belongs to the package, or to its tests, is missing."""
    tracked = set(run("git", "ls-files").splitlines())
    in_wheel = set(zipfile.ZipFile(wheel).namelist())
    with tarfile.open(sdist) as archive:
        in_sdist = {name.partition("/")[2] for name in archive.getnames()}
    package = {name for name in tracked if name.startswith("tinygrad_rnn/")}
    for what, missing in (
        ("wheel", package - in_wheel),
        ("sdist", {name for name in tracked if not name.startswith((".git", ".vscode"))} - in_sdist),
    ):
        if missing:
            sys.exit(f"the {what} lacks {', '.join(sorted(missing))}")
    foreign = {name for name in in_wheel if not re.match(r"tinygrad_rnn(/|-[\d.]+\.dist-info/)", name)}
    if foreign:
        sys.exit(f"the wheel has more than the package: {', '.join(sorted(foreign))}")


def installed(python: str, folder: Path, *what: object) -> Path:
    """The Python of a fresh environment with these packages."""
    run(python, "-m", "venv", folder)
    own = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    run(own, "-m", "pip", "install", "-q", *what)
    return own


def follow_readme(python: str, scratch: Path, wheel: Path) -> str:
    """The README's code and commands, with the wheel and without the checkout."""
    folder = scratch / f"wheel-{Path(python).parent.parent.name}"
    own = installed(python, folder / "venv", f"{wheel}[compile,plot]", "pytest", "hypothesis")
    for name in ("tests", "demos"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("README.md", "CONTRIBUTING.md", "setup.cfg"):
        shutil.copy(ROOT / name, folder / name)
    where = run(own, "-c", "import tinygrad_rnn; print(tinygrad_rnn.__file__)", cwd=folder)
    if "site-packages" not in where:
        sys.exit(f"the package that is tried is {where}")
    run(own.with_name("tinygrad-rnn"), "--quiet", cwd=folder)
    said = run(own, "-m", "pytest", "-q", "tests/house/test_readme.py", "-k", FROM_THE_README, cwd=folder)
    return f"README with the wheel, {run(own, '-V').strip()}: {said.splitlines()[-1]}"


def test_sdist(python: str, scratch: Path, sdist: Path) -> str:
    """Some of the tests, as they come with the sdist."""
    own = installed(python, scratch / "sdist", f"{sdist}[compile,linalg,plot]", "pytest", "hypothesis", "mpmath")
    with tarfile.open(sdist) as archive:
        archive.extractall(scratch, **({"filter": "data"} if hasattr(tarfile, "data_filter") else {}))
    (folder,) = scratch.glob("tinygrad_rnn-*")
    files = [f"tests/{name}.py" for name in OF_THE_SDIST]
    said = run(own, "-m", "pytest", "-q", *files, cwd=folder)
    return f"tests of the sdist, {run(own, '-V').strip()}: {said.splitlines()[-1]}"


def main() -> None:
    """Do it all."""
    pythons = sys.argv[1:] or oldest_and_newest()
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        run("git", "clone", "-q", ROOT, scratch / "clone")
        run(sys.executable, "-m", "build", "-o", scratch / "dist", scratch / "clone")
        (wheel,), (sdist,) = (list((scratch / "dist").glob(kind)) for kind in ("*.whl", "*.tar.gz"))
        check_contents(wheel, sdist)
        with ThreadPoolExecutor(2) as pool:
            jobs = [pool.submit(follow_readme, python, scratch, wheel) for python in pythons]
            jobs.append(pool.submit(test_sdist, pythons[0], scratch, sdist))
        for job in jobs:
            print(job.result())


if __name__ == "__main__":
    main()
