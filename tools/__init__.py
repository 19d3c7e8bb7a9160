"""Tools for developers who build and release fleet. They are not part of fleet itself."""
