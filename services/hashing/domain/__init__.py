"""The digest pass."""
