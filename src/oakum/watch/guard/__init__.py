"""`oakum run`: one command of a cron line or a unit, kept inside a time, a memory and a lock, and recorded."""
