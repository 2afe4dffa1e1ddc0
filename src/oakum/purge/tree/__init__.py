"""Files below one opened directory: no shell, no link followed, no device crossed."""
