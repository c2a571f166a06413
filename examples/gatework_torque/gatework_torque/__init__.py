"""Tightening bolts: a requirement type, a named check and a named action."""
