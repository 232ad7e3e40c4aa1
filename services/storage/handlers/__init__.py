"""What storage does with events and questions."""
