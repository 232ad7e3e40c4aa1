"""The subcommands of `odst`, by subject."""
