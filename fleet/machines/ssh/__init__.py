"""Machines over ssh: the configuration is read and host keys are verified as by OpenSSH, and paramiko connects."""
