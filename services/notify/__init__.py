"""Telling: webhooks, signed, tried until they arrive."""
