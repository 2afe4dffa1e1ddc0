"""`oakum demo`: real work on this machine's own Python library, with troublemakers in it, inside a small room."""
