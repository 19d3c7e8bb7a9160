"""Tools of those who build and ship fleet. They are not part of it."""
