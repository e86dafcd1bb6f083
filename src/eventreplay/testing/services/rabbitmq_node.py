"""How a RabbitMQ node is run: as processes of this machine, or as a container."""

from __future__ import annotations

import re
import secrets
import subprocess
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from eventreplay.testing.services import finding, prefix
from eventreplay.testing.services.certificates import Certificates
from eventreplay.testing.services.container import MAIN, Container, Image
from eventreplay.testing.services.errors import ServiceError, missing
from eventreplay.testing.services.guarded import Guarded
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.server import Processes

IMAGE = "rabbitmq:3.13.7-management"
PACKAGE = "rabbitmq-server"
TOOL_S_MAX = 90
ON_LOOPBACK = "-kernel inet_dist_use_interface {127,0,0,1}"


@frozen(kw_only=True)
class NodeSettings:
    """What a node is started with; ports are those of the loopback."""

    port: int
    tls_port: int | None
    management_port: int | None
    user: str
    password: str
    config: str
    signed: Certificates | None

    @property
    def plugins(self) -> str:
        """The file of enabled plugins, an Erlang term."""
        names = ["rabbitmq_stream"]
        if self.management_port is not None:
            names += ["rabbitmq_management", "rabbitmq_prometheus"]
        return f"[{','.join(names)}].\n"

    def lines(self, certificates: str, listen: Mapping[str, str]) -> str:
        """The text of rabbitmq.conf; `listen` names addresses for amqp, stream, tls and management."""
        lines = [
            f"listeners.tcp.1 = {listen['amqp']}",
            f"stream.listeners.tcp.1 = {listen['stream']}",
            f"default_user = {self.user}",
            f"default_pass = {self.password}",
            "default_user_tags.administrator = true",
            "log.console = true",
            "log.console.level = warning",
            "log.file = false",
            # Tests fill no disk; the default would block publishers on a nearly full machine.
            "disk_free_limit.absolute = 50MB",
        ]
        if self.tls_port is not None:
            lines += [
                f"listeners.ssl.1 = {listen['tls']}",
                f"ssl_options.cacertfile = {certificates}/ca.pem",
                f"ssl_options.certfile = {certificates}/server.pem",
                f"ssl_options.keyfile = {certificates}/server.key",
                "ssl_options.verify = verify_none",
                "ssl_options.fail_if_no_peer_cert = false",
            ]
        if self.management_port is not None:
            host, _, port = listen["management"].rpartition(":")
            lines += [f"management.tcp.ip = {host}", f"management.tcp.port = {port}"]
            host, _, port = listen["metrics"].rpartition(":")
            lines += [f"prometheus.tcp.ip = {host}", f"prometheus.tcp.port = {port}"]
        return "\n".join([*lines, self.config, ""])


@frozen
class Programs:
    """RabbitMQ's scripts, and the environment they need beyond a clean one."""

    scripts: Path
    env: Mapping[str, str]


class LocalNode(Processes):
    """A node as processes of this machine, with a port mapper of its own."""

    def __init__(self, guarded: Guarded, settings: NodeSettings) -> None:
        super().__init__(guarded)
        self._programs = programs()
        home = guarded.folder / "home"
        home.mkdir(mode=0o700)
        cookie = home / ".erlang.cookie"
        cookie.write_text(secrets.token_hex(16), "ascii")
        cookie.chmod(0o400)
        listen = {"amqp": settings.port, "stream": free_port()}
        if settings.tls_port is not None:
            listen["tls"] = settings.tls_port
        if settings.management_port is not None:
            listen |= {"management": settings.management_port, "metrics": free_port()}
        addresses = {name: f"{LOOPBACK}:{port}" for name, port in listen.items()}
        config = home / "rabbitmq.conf"
        config.touch(0o600)
        config.write_text(settings.lines(str(guarded.folder / "certificates"), addresses), "utf-8")
        plugins = home / "enabled_plugins"
        plugins.write_text(settings.plugins, "ascii")
        empty = home / "empty"
        empty.touch()
        self._epmd_port = free_port()
        self._env = {
            **finding.clean_environment(),
            "LANG": "C.UTF-8",
            **self._programs.env,
            "HOME": str(home),
            "RABBITMQ_NODENAME": f"rabbit-{settings.port}@localhost",
            "RABBITMQ_MNESIA_BASE": str(home / "data"),
            "RABBITMQ_LOG_BASE": str(home / "logs"),
            "RABBITMQ_LOGS": "-",
            "RABBITMQ_CONFIG_FILE": str(config),
            "RABBITMQ_ADVANCED_CONFIG_FILE": str(home / "advanced.config"),
            "RABBITMQ_CONF_ENV_FILE": str(empty),
            "RABBITMQ_ENABLED_PLUGINS_FILE": str(plugins),
            "RABBITMQ_GENERATED_CONFIG_DIR": str(home / "generated"),
            "RABBITMQ_DIST_PORT": str(free_port()),
            "ERL_EPMD_PORT": str(self._epmd_port),
            "ERL_EPMD_ADDRESS": LOOPBACK,
            "ERL_CRASH_DUMP_SECONDS": "0",
            "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": ON_LOOPBACK,
            "RABBITMQ_CTL_ERL_ARGS": ON_LOOPBACK,
            # Eleven ports by default, shared by every such tool on the machine.
            "RABBITMQ_CTL_DIST_PORT_MIN": "33000",
            "RABBITMQ_CTL_DIST_PORT_MAX": "60000",
            # The script then becomes the Erlang machine instead of waiting for it.
            "RUNNING_UNDER_SYSTEMD": "true",
        }

    def run(self) -> None:
        """Start the port mapper, unless it runs, and the node."""
        # The node would start one as a daemon of its own; in the foreground it has a parent.
        if not self.guarded.alive("epmd"):
            epmd = ["epmd", "-address", LOOPBACK, "-port", str(self._epmd_port)]
            self.guarded.run("epmd", epmd, env=self._env)
            self.guarded.wait_ready("epmd", lambda: finding.listens(self._epmd_port) or None)
        self.guarded.run(MAIN, [str(self._programs.scripts / "rabbitmq-server")], env=self._env)

    def rabbitmqctl(self, *words: str, text: str = "") -> str:
        """Run the tool with `text` on its standard input; what it prints."""
        command = [str(self._programs.scripts / "rabbitmqctl"), "--quiet", *words]
        try:
            done = subprocess.run(
                command,
                env=self._env,
                cwd=self.guarded.folder,
                input=text,
                capture_output=True,
                text=True,
                timeout=TOOL_S_MAX,
                check=False,
            )
        except subprocess.TimeoutExpired as error:
            raise ServiceError(f"rabbitmqctl {words[0]} took more than {TOOL_S_MAX} s.") from error
        if done.returncode != 0:
            raise ServiceError(
                f"rabbitmqctl {words[0]} failed: {(done.stderr or done.stdout).strip()[-500:]}"
            )
        return done.stdout


class ContainerNode(Container):
    """A node as a container of the official image."""

    def __init__(self, guarded: Guarded, engine: str, settings: NodeSettings) -> None:
        inside = {"amqp": 5672, "stream": 5552, "tls": 5671, "management": 15672, "metrics": 15692}
        addresses = {name: f"0.0.0.0:{port}" for name, port in inside.items()}
        config = guarded.folder / "rabbitmq.conf"
        config.write_text(settings.lines("/certificates", addresses), "utf-8")
        plugins = guarded.folder / "enabled_plugins"
        plugins.write_text(settings.plugins, "ascii")
        ports = {inside["amqp"]: settings.port}
        volumes = {config: "/etc/rabbitmq/conf.d/99-tests.conf", plugins: "/etc/rabbitmq/enabled_plugins"}
        if settings.tls_port is not None:
            ports[inside["tls"]] = settings.tls_port
        if settings.management_port is not None:
            ports[inside["management"]] = settings.management_port
        if settings.signed is not None:
            # The broker runs as another user there; the key guards a loopback's test for a few minutes.
            settings.signed.key.chmod(0o644)
            volumes[settings.signed.ca.parent] = "/certificates"
        super().__init__(guarded, engine, Image(name=IMAGE, ports=ports, volumes=volumes))

    def rabbitmqctl(self, *words: str, text: str = "") -> str:
        """Run the tool inside, with `text` on its standard input; what it prints."""
        return self.execute(["rabbitmqctl", "--quiet", *words], text)


def programs() -> Programs:
    """RabbitMQ's scripts on this machine, or from the distribution's packages."""
    # Not /usr/sbin/rabbitmq-server: it changes the user, and refuses whoever may not.
    here = finding.installed("rabbitmq-server", ["/usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"])
    if here is not None:
        return Programs(here.parent, {})
    tried = [
        f"{finding.OVERRIDES['RabbitMQ']} is not set, or this broker has to be our own.",
        "no container engine answers `docker info`.",
        "no `rabbitmq-server` below /usr/lib/rabbitmq or on PATH.",
    ]
    try:
        folder = prefix.provide(PACKAGE, _relocate)
    except prefix.PrefixError as error:
        tried.append(f"packages: {error}")
    else:
        found = sorted(folder.glob("usr/lib/rabbitmq/lib/rabbitmq_server-*/sbin"))
        if found:
            path = ":".join(
                [str(folder / "usr/bin"), finding.clean_environment().get("PATH", "/usr/bin:/bin")]
            )
            return Programs(found[-1], {"PATH": path, "LD_LIBRARY_PATH": prefix.libraries(folder)})
        tried.append(f"packages: {folder} holds no `rabbitmq-server`.")
    raise missing(
        "RabbitMQ", tried, "Install RabbitMQ 3.10 or newer (Debian: apt-get install rabbitmq-server)."
    )


def _relocate(ready: Path, final: Path) -> None:
    """Erlang's start scripts know where it was built to be; tell them where it is."""
    for script in [*ready.glob("usr/lib/erlang/bin/erl"), *ready.glob("usr/lib/erlang/erts-*/bin/erl")]:
        text = script.read_text("utf-8")
        script.write_text(
            re.sub(r"(?m)(ROOTDIR=)/usr/lib/erlang$", rf"\g<1>{final}/usr/lib/erlang", text), "utf-8"
        )
