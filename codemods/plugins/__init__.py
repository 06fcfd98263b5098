"""What plugins register, and where their modules go."""
