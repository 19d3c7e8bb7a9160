"""A generated fleet and its rollout, drawn from a seed: small, with a bit of everything that can hold a rollout."""
