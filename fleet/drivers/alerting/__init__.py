"""What the controller that leads tells other systems: messages to operators, and silences of alerts."""
