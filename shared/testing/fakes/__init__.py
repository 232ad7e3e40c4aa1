"""Stand-ins for the outside of services: the same promises as the real adapters, held to by the same suites, in memory."""
