"""Plans, their lower bound, estimated durations, and what will hold a run, known before it begins."""
