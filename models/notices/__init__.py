"""What is told to people and systems outside: kinds of notices, when they go out, how they read. Pure, no database."""
