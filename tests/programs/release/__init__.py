"""What a release has, built as a user of the repository builds it."""
