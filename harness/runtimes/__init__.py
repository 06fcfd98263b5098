"""Runtimes: bring one side up and observe it."""
