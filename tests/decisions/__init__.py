"""Decisions by facts, without a database."""
