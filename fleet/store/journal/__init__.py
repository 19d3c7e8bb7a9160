"""The journal: one append-only, hash-chained table, its checkpoints, signatures and proofs."""
