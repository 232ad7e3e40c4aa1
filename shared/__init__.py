"""What every ODST service shares: vocabulary (core), contracts, runtime and test support."""
