"""A file of these tests that leaves a child process behind fails."""

from tests.children import no_child_process_is_left_behind  # noqa: F401 (pytest finds it by its name here)
