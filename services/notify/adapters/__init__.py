"""The outside of the notify service."""
