"""What replication decides, without doing it."""
