"""Commands about messages to operators."""
