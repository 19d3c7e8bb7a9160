"""The migrations, one in each file. A migration that has been released is never changed."""
