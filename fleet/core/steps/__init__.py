"""Carries on a run: one function a step. Each returns the step that it takes, or None while the run waits."""
