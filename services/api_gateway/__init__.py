"""The door: the only HTTP surface, for administrators, peers and clients. Keeps nothing."""
