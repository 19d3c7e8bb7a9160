"""The commands, a file for each group of `fleet --help`."""
