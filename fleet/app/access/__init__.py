"""Identifies the user of a command, and checks that their role allows it."""
