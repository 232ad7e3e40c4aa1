"""How messages go out, by the kind of channel."""
