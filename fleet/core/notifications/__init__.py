"""Messages to operators: derived from the journal, each once, and delivered by the controller that leads."""
