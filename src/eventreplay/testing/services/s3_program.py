"""moto's S3 as a program of its own; prints one JSON line when it listens. Run by `S3Server`."""

from __future__ import annotations

import json
import sys
from typing import Any


def main(arguments: list[str]) -> None:
    """`s3_program PORT`; 0 takes a free one."""
    # Half a second of imports that only this process needs.
    from moto.moto_server.werkzeug_app import (  # noqa: PLC0415
        DomainDispatcherApplication,
        create_backend_app,
    )
    from werkzeug.serving import WSGIRequestHandler, make_server  # noqa: PLC0415

    class Quiet(WSGIRequestHandler):
        protocol_version = "HTTP/1.1"

        def log(self, type: str, message: str, *args: Any) -> None:  # noqa: A002 - its name there
            """Requests are of no interest; errors come as tracebacks."""

    app = DomainDispatcherApplication(create_backend_app)
    server = make_server("127.0.0.1", int(arguments[0]), app, threaded=True, request_handler=Quiet)
    sys.stdout.write(json.dumps({"port": server.server_port}) + "\n")
    sys.stdout.flush()
    server.serve_forever()


if __name__ == "__main__":
    main(sys.argv[1:])
