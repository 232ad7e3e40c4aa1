"""Rights, people, tokens, sessions, and what slows down who guesses."""
