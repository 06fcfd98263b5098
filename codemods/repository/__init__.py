"""What other files of a repository define: classes, functions, dicts, queries, templates."""
