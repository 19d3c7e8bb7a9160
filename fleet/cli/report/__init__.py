"""A report for people: as text for a terminal, as one HTML page for a browser and for paper."""
