"""What is written to the journal, and what is logged of it."""
