"""The `odst` command: what an administrator and an operator type."""
