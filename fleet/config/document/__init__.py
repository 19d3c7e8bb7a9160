"""The file as a document: YAML, the forms of values, and all mistakes with their places."""
