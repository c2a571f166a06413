"""Notices on their way: from the outbox to rows of people, from there to mailboxes, rooms and webhooks."""
