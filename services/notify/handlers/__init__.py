"""What notify does with events, what it answers, and how it delivers."""
