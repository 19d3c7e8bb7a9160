"""What holds the model cluster to the real API server: the same cases run on both."""
