"""What the user's ssh configuration says of a machine, as OpenSSH reads it, and without OpenSSH."""
