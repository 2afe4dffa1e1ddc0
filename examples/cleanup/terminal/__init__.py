"""What a bastion host keeps of its users' terminals."""
