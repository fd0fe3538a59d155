"""What every room may need: `files` are written whole or not at all, `progress` is shown, arguments are checked
(`checks`), what is to be allocated fits into `memory`, the garbage collector is paused (`collector`), and things are
counted and named in words (`text`).
"""
