"""What `fleet cluster install` applies, and whether it is there."""
