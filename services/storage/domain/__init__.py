"""What storage decides, without doing it."""
