"""Write `RESULTS.md` from the JSON files of this directory: run this after a script has written its JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tinygrad_rnn.support.files import write_whole

HERE = Path(__file__).parent
ORDER = (
    "wall",
    "temporal_order",
    "latch",
    "reber",
    "adding",
    "long_lag",
    "noise_free",
    "continual_reber",
    "irnn",
    "influence_balancing",
    "characters",
)

HEAD = """# Published results, by the scalar engine

Written by `table.py` from the JSON files beside it; each of these was written by the script of the same name, which
runs on the public API of the package alone. `python demos/results/NAME.py` repeats a result, and with `--slice` runs a
small part of it on the compiled and on the eager engine and compares every bit. Seconds are of processor
time, all runs of a result together.
"""


def pending(found: dict[str, dict[str, Any]]) -> str:
    """What is not there yet."""
    names = [f"[`{name}.py`]({name}.py)" for name in ORDER if name not in found]
    return f"\n## Written, but not run in full yet\n\n{', '.join(names)}\n" if names else ""


def results() -> dict[str, dict[str, Any]]:
    """What is in the JSON files, by name."""
    files = [HERE / f"{name}.json" for name in ORDER]
    return {file.stem: json.loads(file.read_text(encoding="utf-8")) for file in files if file.exists()}


def page(found: dict[str, dict[str, Any]]) -> str:
    """`RESULTS.md`."""
    return (
        HEAD
        + "\n"
        + overview(found)
        + "".join(section(name, result) for name, result in found.items())
        + pending(found)
    )


def overview(found: dict[str, dict[str, Any]]) -> str:
    """A line per result: that of its first row."""
    lines = ["| result | measured | ours | published |", "|---|---|---|---|"]
    for name, result in found.items():
        source, row = result["source"], result["rows"][0]
        first, more = source["paper"].split(",")[:2]
        paper = f"{first}{' et al.' if '&' in more else ''} {source['year']}"
        link = f"[{source['title']}](#{name})"
        lines.append(f"| {link} ({paper}) | {row['what']} | {row['ours']} | {row['theirs']} |")
    return "\n".join(lines) + "\n"


def section(name: str, result: dict[str, Any]) -> str:
    """All of one result."""
    source = result["source"]
    seeds = result["seeds"]
    runs = f"{result['runs']} run{'s' if result['runs'] > 1 else ''}"
    runs += f", seeds {seeds[0]} to {seeds[-1]}" if len(seeds) > 1 else ""
    cost = f"{result['seconds']:,.0f} CPU s" if result["seconds"] >= 1.0 else "less than 1 CPU s"
    lines = [
        f'\n<a id="{name}"></a>\n## {source["title"]}\n',
        f"{source['paper']} ({source['year']}), {source['section']}. Script: [`{name}.py`]({name}.py).\n",
        f"- **Setting:** {source['setting']}.",
        f"- **Criterion:** {source['criterion']}.",
        f"- **Not as in the paper:** {source['differences']}.",
        f"- **Runs:** {runs}; {cost}.\n",
        "| measured | ours | published |",
        "|---|---|---|",
        *(f"| {row['what']} | {row['ours']} | {row['theirs']} |" for row in result["rows"]),
        *(["", result["text"]] if "text" in result else []),
        f"\n![{source['title']}]({name}.png)\n",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    write_whole(HERE / "RESULTS.md", page(results()))
