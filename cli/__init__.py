"""The command line: one thin file per group; parse, call, render."""
