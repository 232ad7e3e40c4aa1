"""The six services of an instance. They never import each other; only `python -m services` knows all of them."""
