"""What every room may need: `files` are written whole or not at all, `progress` is shown, arguments are checked
(`checks`), what is to be allocated fits into `memory`, open files are locked (`locks`), the garbage collector is paused
(`collector`), things are counted and named in words (`text`), what stands for a number is decided (`numbers`), and
numbers are added up (`sums`).
"""
