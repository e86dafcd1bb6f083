"""S3 by Ceph's RADOS Gateway: a whole cluster in one folder, with one monitor and one disk that is a file.

Unlike moto it keeps everything over a kill and checks signatures. Release 16 ignores `If-None-Match` when the
parts of an upload are put together. It comes from the machine or from the distribution's packages, a quarter
of a gigabyte once.
"""

from __future__ import annotations

import errno
import json
import urllib.error
import urllib.request
import uuid
from collections.abc import Mapping
from pathlib import Path

from attrs import frozen

from eventreplay.testing.services import finding, prefix
from eventreplay.testing.services.errors import missing
from eventreplay.testing.services.guarded import Guarded, beginning, started
from eventreplay.testing.services.ports import LOOPBACK, free_port
from eventreplay.testing.services.s3 import Keys, S3Server
from eventreplay.testing.services.server import Processes

PACKAGES = ("radosgw", "ceph-mon", "ceph-osd")
PROGRAMS = ("radosgw", "ceph-mon", "ceph-osd", "ceph-authtool", "monmaptool", "osdmaptool", "radosgw-admin")
DAEMONS = ("monitor", "disk", "gateway")
GATEWAY = "client.rgw.tests"
USER = "tests"
DISK_BYTES = 4 << 30
"""Of a file with holes: only what was written takes place."""

HTTP_S_MAX = 5
TAKEN = "address already in use"

CONFIG = """\
[global]
fsid = {cluster}
mon_host = [v2:{host}:{monitor_port}/0]
public_addr = {host}
cluster_addr = {host}
ms_bind_msgr1 = false
ms_bind_ipv6 = false
# Without keys (auth = none) the gateway of release 16 is let in nowhere.
auth_cluster_required = cephx
auth_service_required = cephx
auth_client_required = cephx
keyring = {folder}/keyring
mon_data = {folder}/monitor
osd_data = {folder}/disk
run_dir = {folder}
crash_dir = {folder}
admin_socket =
pid_file =
log_to_file = false
log_to_stderr = true
err_to_stderr = true
mon_cluster_log_to_file = false
debug_rocksdb = 0
debug_bluestore = 0
debug_bluefs = 0
debug_bdev = 0
# One disk, one copy, one part of each pool.
osd_crush_chooseleaf_type = 0
osd_crush_update_on_start = false
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_pool_default_pg_num = 1
osd_pool_default_pgp_num = 1
osd_pool_default_pg_autoscale_mode = off
mon_allow_pool_size_one = true
mon_max_pg_per_osd = 2000
# A killed gateway is waited for that long by the first new bucket after it; a living one calls each second.
osd_client_watch_timeout = 6
objecter_tick_interval = 1
# 2 s of the 20 s after which a silent disk is dead: that long a disk that comes back answers no reads.
osd_pool_default_read_lease_ratio = 0.1
# Nobody else is in the cluster whose changes could be waited for.
paxos_propose_interval = 0.05
paxos_min_wait = 0.01
# Tests fill no disk; the defaults would stop writers on a nearly full machine.
mon_osd_nearfull_ratio = 0.99
mon_osd_backfillfull_ratio = 0.99
mon_osd_full_ratio = 0.99
mon_data_avail_crit = 0
osd_objectstore = bluestore
bluestore_block_size = {disk_bytes}
osd_memory_target = 939524096
osd_class_load_list = *
osd_class_default_list = *
{plugins}
[{gateway}]
rgw_frontends = beast endpoint={host}:{port}
rgw_thread_pool_size = 32
"""


@frozen
class Programs:
    """Ceph's programs, and where those of a private folder find what they load."""

    folder: Path
    env: Mapping[str, str]
    plugins: Mapping[str, Path]


class _Cluster(Processes):
    """The daemons of a cluster in one folder; the gateway answers on `port`."""

    main = "gateway"

    def __init__(self, guarded: Guarded, port: int, programs: Programs) -> None:
        super().__init__(guarded)
        self._port = port
        self._programs = programs
        self._env = {
            **finding.clean_environment(),
            **programs.env,
            "CEPH_CONF": str(guarded.folder / "ceph.conf"),
        }

    def stop(self) -> None:
        """Kill it: that is how its daemons are stopped, they keep everything."""
        self.kill()

    def make(self) -> None:
        """An empty cluster: its keys, its maps, its monitor's store."""
        folder = self.guarded.folder
        cluster, monitor_port = str(uuid.uuid4()), free_port()
        for name in ("monitor", "disk"):
            (folder / name).mkdir(mode=0o700)
        (folder / "ceph.conf").write_text(
            CONFIG.format(
                cluster=cluster,
                host=LOOPBACK,
                monitor_port=monitor_port,
                port=self._port,
                folder=folder,
                disk_bytes=DISK_BYTES,
                gateway=GATEWAY,
                plugins="\n".join(f"{name} = {path}" for name, path in self._programs.plugins.items()),
            ),
            "utf-8",
        )
        keyring = str(folder / "keyring")
        everything = ["--cap", "mon", "allow *", "--cap", "osd", "allow *"]
        self.tool(
            "ceph-authtool", "--create-keyring", keyring, "--gen-key", "-n", "mon.", "--cap", "mon", "allow *"
        )
        for name in ("client.admin", GATEWAY, "osd.0"):
            self.tool("ceph-authtool", keyring, "--gen-key", "-n", name, *everything)
        maps = [str(folder / "monmap"), str(folder / "osdmap")]
        address = f"[v2:{LOOPBACK}:{monitor_port}]"
        self.tool("monmaptool", "--create", "--fsid", cluster, "--addv", "a", address, maps[0])
        # A map that has the disk already: no tool has to talk to the monitor before the disk can come.
        self.tool("osdmaptool", "--createsimple", "1", maps[1])
        self.tool(
            "ceph-mon", "--mkfs", "-i", "a", "--monmap", maps[0], "--osdmap", maps[1], "--keyring", keyring
        )
        self.tool("ceph-osd", "--mkfs", "-i", "0", "--no-mon-config", "--osd-uuid", str(uuid.uuid4()))

    def run(self) -> None:
        """Start its daemons; those of them that still run are killed first."""
        self.kill()
        commands = {
            "monitor": ["ceph-mon", "-f", "-i", "a"],
            "disk": ["ceph-osd", "-f", "-i", "0"],
            "gateway": ["radosgw", "-f", "-n", GATEWAY],
        }
        for name, (program, *words) in commands.items():
            self.guarded.run(name, [str(self._programs.folder / program), *words], env=self._env)

    def tool(self, program: str, *words: str) -> str:
        """Run a program to its end; what it printed. It ends with this process, like a daemon."""
        self.guarded.log(program).unlink(missing_ok=True)
        self.guarded.run(program, [str(self._programs.folder / program), *words], env=self._env)
        self.guarded.finish(program)
        return self.guarded.log(program).read_text("utf-8", "replace")


class CephServer(S3Server):
    """One Ceph cluster with a gateway; a context manager. It keeps what it has over `kill` and `restart`.

    Attributes:
        endpoint: http:// URL of the gateway.
        port: the same after a restart.
        access_key: of a user of its own; what it is asked with.
        secret_key: the same user's. Another one is refused.
    """

    def __init__(self, port: int, cluster: _Cluster) -> None:
        super().__init__(f"http://{LOOPBACK}:{port}", Keys("", ""), cluster)
        self._cluster = cluster

    @classmethod
    def find(cls) -> CephServer:
        """One of our own: no variable names a Ceph.

        Raises:
            ServiceError: as `start`.
        """
        return cls.start()

    @classmethod
    def start(cls) -> CephServer:
        """Start a cluster and wait until its gateway answers and has a user.

        Raises:
            ServiceMissingError: no programs, no packages; says what was tried.
            ServiceNotReadyError: it was started and did not answer.
        """
        found = programs()
        return started(lambda: cls._begin(found), TAKEN)

    @classmethod
    def _begin(cls, found: Programs) -> CephServer:
        port = free_port()
        with beginning("Ceph") as guarded:
            cluster = _Cluster(guarded, port, found)
            cluster.make()
            cluster.run()
        return cls(port, cluster)

    def wait_ready(self) -> None:
        """Wait until the gateway answers, and make its user unless there is one.

        Raises:
            ServiceNotReadyError: a daemon ended, or the gateway did not answer in time.
        """
        self.guarded.wait_ready(self._cluster.main, self._ready)
        if not self.access_key:
            made = self._cluster.tool(
                "radosgw-admin", "user", "create", "--uid", USER, "--display-name", USER
            )
            # Warnings may stand before and after the answer.
            user, _ = json.JSONDecoder().raw_decode(made[made.index("{") :])
            self.access_key, self.secret_key = user["keys"][0]["access_key"], user["keys"][0]["secret_key"]

    def _ready(self) -> bool | None:
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(self.endpoint, timeout=HTTP_S_MAX):
                found = True
        except OSError:
            found = False
        # The gateway waits for the two others for minutes, and another's server may answer on its port: an
        # end of any of them is to be seen here.
        for name in DAEMONS:
            status = self.guarded.status(name)
            if status is not None:
                # The gateway's last line gets lost, its status does not.
                why = f" ({TAKEN})" if status == errno.EADDRINUSE else ""
                raise self.guarded.failed(f"{name} ended with {status}{why}", name, status=status)
        return True if found else None


def programs() -> Programs:
    """Ceph's programs on this machine, or from the distribution's packages."""
    here = finding.installed(PROGRAMS[0], ["/usr/bin"])
    if here is not None and _complete(here.parent):
        return Programs(here.parent, {}, {})
    tried = [f"not all of {', '.join(PROGRAMS)} are in /usr/bin or on PATH."]
    try:
        folder = prefix.provide(PACKAGES[0], None, *PACKAGES[1:])
    except prefix.PrefixError as error:
        tried.append(f"packages: {error}")
    else:
        libraries = next(iter(folder.glob("usr/lib/*-linux-gnu*/ceph")), None)
        if _complete(folder / "usr/bin") and libraries is not None:
            plugins = {
                "osd_class_dir": libraries.parent / "rados-classes",
                "erasure_code_dir": libraries / "erasure-code",
                "plugin_dir": libraries,
            }
            env = {"LD_LIBRARY_PATH": f"{libraries}:{prefix.libraries(folder)}"}
            return Programs(folder / "usr/bin", env, plugins)
        tried.append(f"packages: {folder} does not hold them either.")
    raise missing(
        "Ceph", tried, f"Install Ceph 16 or newer (Debian: apt-get install {' '.join(PACKAGES)} ceph-common)."
    )


def _complete(folder: Path) -> bool:
    return all((folder / name).is_file() for name in PROGRAMS)
