"""Plain tables of SQLite, PostgreSQL, MySQL and MariaDB: deleted along their key, by bound values and checked names."""
