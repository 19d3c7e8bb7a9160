"""Says which alerts are silenced while a node is worked on, and who gets messages."""
