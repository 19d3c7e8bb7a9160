"""Reports of all rollouts of a span of time, and compliance: how soon releases were on the nodes."""
