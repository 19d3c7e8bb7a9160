"""One database behind SQLite and PostgreSQL: addresses, opening, schema, migration."""
