"""The whole platform on this machine: journal, queue, log, warehouse, and Airflow with `dags/` over them.

`python -m tools.airflow_platform` (`make airflow`) starts it and runs every DAG; tests take `Platform`.
"""
