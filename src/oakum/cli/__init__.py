"""The command line: composition roots, one file a command, each imported only when it is called."""
