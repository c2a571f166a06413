"""Tightening bolts: a requirement type and a named check."""
