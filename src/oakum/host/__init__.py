"""What the kernel says and does: /proc, cgroups, limits, file descriptors."""
