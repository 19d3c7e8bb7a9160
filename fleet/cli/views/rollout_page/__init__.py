"""A rollout as `fleet rollout status` shows it, once or live."""
