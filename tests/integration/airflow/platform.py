"""The platform as tests take it: real ends, Airflow with `dags/`, a scene for each test.

See `tools/airflow_platform`, which `make airflow` starts for people.
"""

from tools.airflow_platform.ends import Ends
from tools.airflow_platform.platform import Platform
from tools.airflow_platform.scenes import EmbeddedScene, RealScene, Scene

__all__ = ["EmbeddedScene", "Ends", "Platform", "RealScene", "Scene"]
