"""Airflow with a home of its own; the folder of DAGs where Airflow would look for what they share."""

from __future__ import annotations

import atexit
import os
import shutil
import sys
import tempfile
from pathlib import Path

# Airflow reads its configuration as it is imported, and writes one where there is none.
if "AIRFLOW_HOME" not in os.environ:
    _home = tempfile.mkdtemp(prefix="eventreplay-dags-")
    atexit.register(shutil.rmtree, _home, ignore_errors=True)
    os.environ["AIRFLOW_HOME"] = _home
    os.environ["AIRFLOW__CORE__LOAD_EXAMPLES"] = "False"

sys.path.append(str(Path(__file__).resolve().parents[3] / "dags"))
