"""Real servers as child processes, on loopback, for evaluation, single-site use and tests."""
