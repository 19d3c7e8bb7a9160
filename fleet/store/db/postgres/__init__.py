"""PostgreSQL through psycopg 3: connections, transactions, refusals, and what a failover may lose. The modules are
imported only where a database's URL is one of PostgreSQL's."""
