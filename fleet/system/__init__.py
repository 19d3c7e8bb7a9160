"""Services of the computer that fleet runs on: the clock, programs, new files, leases in files and logs."""
