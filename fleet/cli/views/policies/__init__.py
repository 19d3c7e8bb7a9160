"""Views of standing policies."""
