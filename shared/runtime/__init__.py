"""What stands between ODST and its frameworks: bus, database, configuration, logs. Knows nothing about packages."""
