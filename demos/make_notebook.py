"""Make a notebook from a script in percent format: python demos/make_notebook.py SCRIPT.py …

demos/course.ipynb is made from demos/course.py in this way; any lesson can be, too. A notebook is made without outputs,
so that it gives away no answers.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path

CELL = re.compile(r"^# %%( \[markdown\])?\n", flags=re.MULTILINE)
MAGIC = re.compile(r"^( *)# (%\w.*)\n\1pass$", flags=re.MULTILINE)  # a command of notebooks, to a script a comment


def notebook(script: str) -> str:
    """The notebook, in version 4.5 of its format (nbformat.readthedocs.io)."""
    _, *parts = CELL.split(script)
    cells = []
    for number, (is_markdown, source) in enumerate(zip(parts[::2], parts[1::2]), start=1):
        text = source.strip("\n")
        if is_markdown:
            text = re.sub(r"^# ?", "", text, flags=re.MULTILINE)
            kind: dict[str, object] = {"cell_type": "markdown"}
        else:
            text = MAGIC.sub(r"\1\2", text)
            kind = {"cell_type": "code", "execution_count": None, "outputs": []}
        cells.append({**kind, "id": f"cell-{number}", "metadata": {}, "source": text.splitlines(keepends=True)})
    metadata = {
        "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
        "language_info": {"name": "python"},
    }
    book = {"cells": cells, "metadata": metadata, "nbformat": 4, "nbformat_minor": 5}
    return json.dumps(book, ensure_ascii=False, indent=1, sort_keys=True) + "\n"


if __name__ == "__main__":
    for name in sys.argv[1:] or [str(Path(__file__).with_name("course.py"))]:
        script = Path(name)
        script.with_suffix(".ipynb").write_text(notebook(script.read_text(encoding="utf-8")), encoding="utf-8")
