"""Who the user of a command is, and whether their role allows the command."""
