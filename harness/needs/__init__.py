"""What a repository needs from its surroundings, found by reading its source."""
