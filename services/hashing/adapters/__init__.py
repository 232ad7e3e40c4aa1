"""The outside of the hashing service."""
