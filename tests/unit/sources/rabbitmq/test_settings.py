"""Settings are checked when they are made, and an error never quotes what may hold a password."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from eventreplay.errors import ConfigError
from eventreplay.secret import Secret
from eventreplay.sources.rabbitmq.settings import RabbitSettings


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("queue", ""),
        ("queue", "q" * 256),
        ("queue", "\udc80"),
        ("queue", "line\nbreak"),
        ("dead_letter_queue", "line\rbreak"),
        ("vhost", ""),
        ("port", 0),
        ("port", True),
        ("prefetch", 0),
        ("prefetch", 65_536),
        ("delivery_rows_max", 0),
        ("buffer_bytes_max", 1),
        ("message_bytes_max", 0),
        ("heartbeat_s", 0),
        ("attempts_max", 0),
        ("linger_s", -1),
        ("queue_type", "durable"),
        ("oversized", "drop"),
        ("stream_offset", "yesterday"),
        ("delivery_limit", 0),
        ("event_id_from", ("payload",)),
        ("event_id_from", ("timestamp",)),
        ("event_id_from", ("header_ms:x",)),
        ("cert_file", "a.pem"),
    ],
)
def test_what_is_not_allowed_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ConfigError) as caught:
        RabbitSettings(**{"queue": "q", setting: value})
    assert caught.value.fields["setting"] == setting


@pytest.mark.parametrize(
    "url",
    [
        "http://u:hunter2@host/",
        "amqp://u:hunter2@host:port/",
        "amqp://u:hunter2@/",
        "amqp://u:hunter2@host/v?x=hunter2",
        "hunter2",
        "amqp://[hunter2",
    ],
)
def test_a_wrong_url_is_not_quoted(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        RabbitSettings(queue="q", url=Secret(url))
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.fields}"


def test_a_url_wins_and_its_parts_are_unquoted() -> None:
    url = Secret("amqps://us%40er:pa%2Fss@mq.example/my%2Fvhost")
    settings = RabbitSettings(queue="q", url=url, host="elsewhere", vhost="other")
    address = settings.address
    assert (address.host, address.port, address.user, address.vhost, address.tls) == (
        "mq.example",
        5671,
        "us@er",
        "my/vhost",
        True,
    )
    assert address.password == Secret("pa/ss")
    assert settings.name == "rabbitmq:my/vhost/q"
    assert "pa" not in repr(settings).replace("params", "").split("url=")[1][:20]


def test_settings_do_not_load_the_driver() -> None:
    code = (
        "import sys; from eventreplay.sources.rabbitmq import RabbitSettings; "
        "RabbitSettings(queue='q'); sys.exit('pika' in sys.modules)"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
