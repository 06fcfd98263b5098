"""What Airflow's releases have: the tables of data/, as one target's pins read them."""
