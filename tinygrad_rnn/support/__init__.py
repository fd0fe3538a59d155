"""What every room may need: `files` are written whole or not at all, `progress` is shown, arguments are checked
(`checks`), and the garbage collector is paused (`collector`).
"""
