"""Local emulation and compatibility test harness for moving Airflow 1.10 to Amazon MWAA 2.x."""

__version__ = "0.1.0"
