"""Surface: what runs on each node, and works on its own machine alone."""
