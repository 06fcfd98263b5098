"""``python -m harness`` is ``mwaa-harness``."""

from harness.cli import main

main()
