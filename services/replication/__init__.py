"""Moving: peers, registrations, and the journey of each package to here."""
