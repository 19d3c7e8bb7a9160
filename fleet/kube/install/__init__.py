"""The objects that `fleet cluster install` applies, and their installation."""
