"""What fleet uses of the computer that it runs on: the clock, programs, new files and logs."""
