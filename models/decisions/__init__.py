"""What routing asks of the outside: decisions that nobody takes, moments, messages and values of expressions."""
