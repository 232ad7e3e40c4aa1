"""Jamf Pro over HTTPS: its present API, and the Classic one for older servers."""
