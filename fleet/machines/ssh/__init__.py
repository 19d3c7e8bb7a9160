"""Machines over ssh: configuration as OpenSSH reads it, host keys as OpenSSH judges them, paramiko to connect."""
