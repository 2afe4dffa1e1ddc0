"""The engine: tasks and handles on the caller's side, supervisor, template and children on the worker's."""
