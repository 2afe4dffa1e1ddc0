"""Records every process of a host, small enough to keep for a year, and reads it back."""
