"""`python -m eventreplay.testing.standin`: the stand-in as a server, until SIGTERM or Ctrl-C."""

import argparse
import json
import logging
import os
import secrets
import shutil
import signal
import sys
import tempfile
import threading
import warnings
from pathlib import Path
from types import FrameType

from eventreplay.testing.standin.login import add_user
from eventreplay.testing.standin.server import HOST, Server

ACCOUNT = "standin"
USER = "TEST"
HELP = """Snowflake stand-in on {host}:{port}; data in {folder}

connector:
  snowflake.connector.connect(account="{account}", user="{user}", password="{password}",
      host="{host}", port={port}, protocol="http", warehouse="COMPUTE_WH", role="ACCOUNTADMIN",
      database="TEST")
dbt profile:
  type: snowflake
  account: {account}
  user: {user}
  password: "{password}"
  host: {host}
  port: {port}
  protocol: http
  role: ACCOUNTADMIN
  warehouse: COMPUTE_WH
  database: TEST
  schema: PUBLIC
  connect_retries: 0
  retry_on_database_errors: false
SQL:
  CREATE TABLE t (n NUMBER(38,9), at TIMESTAMP_NTZ);
  INSERT INTO t VALUES (1.5, CURRENT_TIMESTAMP);
  SELECT * FROM t;
faults: POST/GET/DELETE http://{host}:{port}/standin/control  (docs/guides/snowflake-standin.md)
"""


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="eventreplay.testing.standin", description="A stand-in for Snowflake."
    )
    parser.add_argument("--port", type=int, default=0, help="on 127.0.0.1; 0: any free one")
    parser.add_argument(
        "--data", type=Path, help="keep the data in this folder; else it goes with the server"
    )
    parser.add_argument("--json", action="store_true", help="print one line of JSON when ready")
    parser.add_argument("--user", default=USER, help="the user to register")
    parser.add_argument(
        "--password-env", metavar="VAR", help="its password is in this variable; else one is made up"
    )
    parser.add_argument(
        "--public-key", type=Path, metavar="FILE", help="its public key (PEM), for key-pair login"
    )
    parser.add_argument(
        "--oauth-token-env", metavar="VAR", help="an OAuth token it may log in with is in this variable"
    )
    parser.add_argument("--database", default="TEST", help="a database to create")
    return parser.parse_args()


def main() -> int:
    """Serve until told to end."""
    given = _arguments()
    folder = given.data or Path(tempfile.mkdtemp(prefix="standin-"))
    password = os.environ[given.password_env] if given.password_env else secrets.token_urlsafe(12)
    server = Server(folder, given.port)
    add_user(
        server.engine.catalog,
        given.user,
        password=password,
        public_key_pem=given.public_key.read_text() if given.public_key else None,
        token=os.environ[given.oauth_token_env] if given.oauth_token_env else None,
        roles=("ACCOUNTADMIN",),
    )
    server.engine.create_database(given.database.upper(), if_missing=True)

    def end(number: int, frame: FrameType | None) -> None:
        del number, frame
        threading.Thread(
            target=server.shutdown
        ).start()  # shutdown() waits for the loop, which this thread runs

    signal.signal(signal.SIGTERM, end)
    signal.signal(signal.SIGINT, end)
    port = server.server_address[1]
    facts = {
        "host": HOST, "port": port, "account": ACCOUNT, "protocol": "http", "user": given.user,
        "password": password,
        "database": given.database.upper(), "warehouse": "COMPUTE_WH", "role": "ACCOUNTADMIN",
    }  # fmt: skip
    if given.json:
        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        sys.stdout.write(HELP.format(folder=folder, **facts))
    sys.stdout.flush()
    try:
        server.serve_forever(poll_interval=0.1)
    finally:
        server.server_close()
        if given.data is None:
            shutil.rmtree(folder, ignore_errors=True)
    return 0


if __name__ == "__main__":
    warnings.filterwarnings("ignore", message="Arrow output on a DB-API result")
    logging.getLogger("sqlglot").setLevel(logging.CRITICAL)  # its hints end up in the middle of dbt's output
    code = main()
    sys.stdout.flush()
    os._exit(code)  # DuckDB's bindings complain of objects that are still alive at a plain exit
