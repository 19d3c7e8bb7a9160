"""Tells other systems what the controller that leads does: messages to operators, and silences of alerts."""
