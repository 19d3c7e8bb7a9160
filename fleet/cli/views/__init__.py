"""What commands print: one file a view, from the data to the lines."""
