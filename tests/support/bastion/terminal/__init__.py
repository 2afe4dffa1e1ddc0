"""A bastion host's app, by the names that JumpServer gives."""
