"""The emulated AWS: moto server by default, LocalStack on request; nothing reaches the real one."""
