"""The outside of the storage service."""
