"""Test support: builders, fakes, an evil peer, and real instances that can be killed. Never imported by the product."""
