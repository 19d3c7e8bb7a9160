"""Whole programs at work in real time: interpreters and shells that are started, controllers on a clock that runs fast."""
