"""What the directory service does."""
