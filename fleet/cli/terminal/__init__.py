"""Defines how anything is printed: columns, times, what is safe to show, live displays."""
