"""Finds what a policy, a snapshot or an installation will run into, before any rollout begins."""
