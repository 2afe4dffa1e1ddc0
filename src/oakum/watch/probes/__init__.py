"""The probes that every recorder has: processes, the host, control groups."""
