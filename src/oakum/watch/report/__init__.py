"""What a record has to say: findings, families by growth, the host's memory; as text, JSON and one HTML page."""
