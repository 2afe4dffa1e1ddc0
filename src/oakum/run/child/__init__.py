"""The processes that import the user's code: the template, its children, the listeners. They hold no store connection."""
