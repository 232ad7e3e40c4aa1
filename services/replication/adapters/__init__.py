"""The outside of the replication service."""
