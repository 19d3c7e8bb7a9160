"""A readable report: text for a terminal, or one HTML page for a browser and for paper."""
