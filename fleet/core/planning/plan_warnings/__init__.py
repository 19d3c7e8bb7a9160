"""Warnings of a plan: what in a snapshot may make its rollout wait or lose something, known before it begins."""
