"""The arithmetic, pure: overcommit (granted or refused), cow (pages copied), peak (bytes at the peak, write budget)."""
