"""Make notebooks from scripts in percent format: demos/07_the_chain.ipynb, say, from demos/07_the_chain.py.

demos/course.ipynb is made from demos/course.py in this way. A notebook is made without outputs, so that it gives away
no answers; one that is there already is replaced.
"""

from __future__ import annotations

import argparse
import json
import re
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("scripts", nargs="+", type=Path, metavar="SCRIPT.py")
    for path in parser.parse_args().scripts:
        try:
            script = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            parser.error(f"{path} cannot be read ({getattr(error, 'strerror', None) or 'it is no text'})")
        if path.suffix != ".py" or not CELL.search(script):
            parser.error(f"{path} is no script in percent format: its cells begin with '# %%'")
        book = path.with_suffix(".ipynb")
        try:
            book.write_text(notebook(script), encoding="utf-8")
        except OSError as error:
            parser.error(f"{book} cannot be written ({error.strerror})")
        print(f"Notebook: {book}")


if __name__ == "__main__":
    main()
