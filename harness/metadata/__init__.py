"""Airflow's metadata: carried from 1.10 to 2.x, and proven to have survived."""
