"""What a policy, a snapshot or an installation will run into, found before any rollout."""
