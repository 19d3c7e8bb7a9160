"""What drives the engine live: watches in, actions out."""
