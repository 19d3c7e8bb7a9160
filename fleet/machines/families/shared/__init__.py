"""Code that several OS families share."""
