"""Who: people, roles and API tokens."""
