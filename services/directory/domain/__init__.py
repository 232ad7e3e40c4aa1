"""Rights, people and tokens."""
