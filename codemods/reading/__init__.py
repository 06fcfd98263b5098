"""What a text says: its scopes, what its names mean, the calls that make tasks, and the values that
reach them."""
