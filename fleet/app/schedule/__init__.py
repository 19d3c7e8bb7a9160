"""What a controller does again and again, by the settings of the policy, and what happens next."""
