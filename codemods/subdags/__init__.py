"""Sub-DAGs as task groups, in all files together."""
