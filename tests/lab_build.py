"""Builds the lab's control plane before the tests, whose limits of time are for what they test: with an empty cache Go
takes some six minutes, and longer beside other tests. Without Go there is nothing to build: the tests that need it are
left out, and fail with CI=true."""

from __future__ import annotations

from fleet.lab import LabError, build

try:
    build.find_toolchain()
except LabError as error:
    print(error)
else:
    build.build(print)
