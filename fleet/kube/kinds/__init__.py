"""The kinds of objects that fleet reads: as the API server writes them, and what core makes of them."""
