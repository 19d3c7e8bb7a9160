"""Use cases about messages to operators: which receivers there are, what they got, and a message to try one."""
