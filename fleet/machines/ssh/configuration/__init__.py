"""The user's ssh configuration for a machine, read as OpenSSH reads it, with and without OpenSSH."""
