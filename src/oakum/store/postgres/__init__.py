"""The store for many machines: PostgreSQL, through psycopg 3."""
