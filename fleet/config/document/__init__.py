"""The file as a document: YAML, values in their forms, and all its mistakes with their places."""
