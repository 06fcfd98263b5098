"""Requirement files: parse, resolve, rewrite."""
