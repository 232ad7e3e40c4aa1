"""The outside of the directory service."""
