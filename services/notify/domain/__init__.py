"""Patterns, targets, signatures, the schedule, and what follows from an answer."""
