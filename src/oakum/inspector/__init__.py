"""The one door through which the command line, the web pages and tests read a store and act on it."""
