"""Runs what a controller does again and again, by the settings of the policy, and lists what happens next."""
