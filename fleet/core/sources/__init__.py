"""Machines as files of other systems have them: spreadsheets, facts of Ansible. Read, merged with nodes by identity."""
