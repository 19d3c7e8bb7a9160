"""The commands, a file for each group of `fleet --help`.

No file here has `from __future__ import annotations`: Typer would compile the text of every annotation of every command
whenever `fleet --help` is asked for, a third of its time. Names that are imported for types alone stand in quotes.
"""
