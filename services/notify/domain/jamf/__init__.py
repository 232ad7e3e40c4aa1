"""What is decided about records in Jamf Pro, without asking it anything."""
