"""A JupyterLab of the tests' own, with a kernel, that needs neither the internet nor the user's settings."""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
NEEDED = ("anywidget", "jupyterlab", "ipykernel")

SETTINGS = [
    "--no-browser",
    "--allow-root",
    "--IdentityProvider.token=",
    "--ServerApp.password=",
    "--ServerApp.port_retries=0",
    "--LabApp.expose_app_in_browser=True",
    "--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate",
    "--LabApp.news_url=None",
]


def require_jupyter() -> None:
    """Skip the test where JupyterLab is missing; fail it where the widget must be tested."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if not missing:
        return
    message = f"THE WIDGET IS NOT TESTED: no {', '.join(missing)}. pip install -e '.[dev]'"
    if os.environ.get("CI"):  # .ci/run sets it
        pytest.fail(message)
    pytest.skip(message)


@contextmanager
def jupyterlab(folder: Path, cells: Sequence[str]) -> Iterator[str]:
    """Start a server that is alone in a folder, with a notebook of these cells; give the notebook's address."""
    import nbformat

    book = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in cells])
    book.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    (folder / "work").mkdir()
    (folder / "work" / "book.ipynb").write_text(nbformat.writes(book), encoding="utf-8")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {f"JUPYTER_{name}_DIR": str(folder / name) for name in ("CONFIG", "DATA", "RUNTIME")}
    environment = {**os.environ, **own, "IPYTHONDIR": str(folder / "ipython"), "PYTHONPATH": str(ROOT)}
    environment["JUPYTERLAB_SETTINGS_DIR"] = environment["JUPYTERLAB_WORKSPACES_DIR"] = str(folder / "settings")
    command = [sys.executable, "-m", "jupyterlab", *SETTINGS, f"--ServerApp.port={port}"]
    with open(folder / "log", "w") as log:
        server = subprocess.Popen(
            [*command, f"--ServerApp.root_dir={folder / 'work'}"], env=environment, stdout=log, stderr=log, cwd=folder
        )
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/api/status", server, folder / "log")
        yield f"{address}/lab/tree/book.ipynb"
    finally:
        end_kernels(address)
        server.terminate()
        server.wait(30)


def wait_for(address: str, server: subprocess.Popen[bytes], log: Path, seconds: float = 60.0) -> None:
    """Wait until a server answers."""
    end = time.monotonic() + seconds
    while not answers(address):
        assert server.poll() is None, log.read_text(encoding="utf-8")
        assert time.monotonic() < end, log.read_text(encoding="utf-8")
        time.sleep(0.2)


def answers(address: str) -> bool:
    """Whether something answers."""
    try:
        urllib.request.urlopen(address, timeout=5.0).close()
    except OSError:
        return False
    return True


def end_kernels(address: str) -> None:
    """End what the server has started, which may outlive it."""
    try:
        with urllib.request.urlopen(f"{address}/api/kernels", timeout=5.0) as answer:
            kernels = json.load(answer)
        for kernel in kernels:
            request = urllib.request.Request(f"{address}/api/kernels/{kernel['id']}", method="DELETE")
            urllib.request.urlopen(request, timeout=10.0).close()
    except OSError:
        pass
