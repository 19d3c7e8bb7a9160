"""Nodes that differ from what their pool runs, and objects that one source knows and another does not."""
