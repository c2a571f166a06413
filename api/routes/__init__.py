"""One module per theme, each with a `router`; all of them are part of the application."""
