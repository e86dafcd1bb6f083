"""Airflow's way to eventreplay."""
