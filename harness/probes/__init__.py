"""Standalone scripts that run inside a runtime; nothing here is imported by the harness."""
