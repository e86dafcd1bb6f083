"""dlt reads the journal into Parquet files; runs in dlt's own environment and imports nothing of ours.

python dlt_child.py BACKEND ROWS FOLDER, with the database's URL in BENCHMARK_URL.
"""

import json
import os
import sys
import tempfile
import time
from pathlib import Path

import dlt
import pyarrow.parquet as pq
from dlt.destinations import filesystem
from dlt.sources.sql_database import sql_table

CHUNK_ROWS = 100_000


def main(backend: str, rows: int, folder: str) -> dict[str, object]:
    """One `pipeline.run`, timed alone; what it wrote is counted afterwards."""
    url = os.environ["BENCHMARK_URL"]
    target = Path(tempfile.mkdtemp(prefix=f"{backend}-", dir=folder))
    pipeline = dlt.pipeline(
        pipeline_name="peer",
        pipelines_dir=str(target / "state"),
        destination=filesystem(bucket_url=(target / "files").as_uri()),
        dataset_name="journal",
    )
    begun_s, begun_cpu_s = time.perf_counter(), time.process_time()
    more: dict[str, object] = {"backend_kwargs": {"conn": url}} if backend == "connectorx" else {}
    table = sql_table(credentials=url, table="events", backend=backend, chunk_size=CHUNK_ROWS, **more)
    pipeline.run(table, loader_file_format="parquet")
    seconds, cpu_s = time.perf_counter() - begun_s, time.process_time() - begun_cpu_s
    found = sum(pq.read_metadata(file).num_rows for file in (target / "files").rglob("events/*.parquet"))
    if found != rows:
        raise RuntimeError(f"dlt wrote {found} rows of {rows}.")
    return {"seconds": seconds, "cpu_s": cpu_s, "events": rows}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(main(sys.argv[1], int(sys.argv[2]), sys.argv[3])) + "\n")
