"""The test kit for users: run jobs by hand on a fake clock; and the suite that defines a store."""
