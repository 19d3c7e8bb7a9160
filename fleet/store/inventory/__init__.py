"""What is known of clusters and nodes, and since when."""
