"""Schedules as values: when they tick, what a tick becomes, what people change of them. Pure."""
