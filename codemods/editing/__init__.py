"""What rules ask for, how expressions are written, and where they go."""
