"""What replication does with events and questions."""
