"""What the rules about imports find: one module for each way to name what has moved."""
