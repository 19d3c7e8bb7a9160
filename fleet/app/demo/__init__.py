"""Creates homes with simulated fleets, for users to try commands on, and tells their stories."""
