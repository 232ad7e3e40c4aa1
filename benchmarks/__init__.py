"""Side by side with what an administrator would use instead. `make bench`; see `docs/performance.md`."""
