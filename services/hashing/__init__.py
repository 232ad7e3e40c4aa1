"""Proof: computes the digests of an upload, verifies an assembled package. Keeps nothing."""
