"""Programs of the distribution in a private folder: no rights needed, nothing installed, nothing started.

The distribution's own packages are downloaded and unpacked into a folder of the user's cache. Several test
processes may ask at once: each unpacks into a folder of its own, the first to rename it wins.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

from eventreplay.testing.services.errors import ServiceError

DOWNLOAD_S_MAX = 300
_OS_RELEASE = Path("/etc/os-release")


class PrefixError(ServiceError):
    """The distribution's packages could not be fetched or unpacked."""


def cache_folder() -> Path:
    """Where prefixes are kept: below XDG_CACHE_HOME, else ~/.cache, else (root) /var/cache.

    Root's own folder is closed to others, but servers that refuse to run as root must read what is in there.
    """
    home = os.environ.get("XDG_CACHE_HOME")
    if home:
        return Path(home) / "eventreplay-tests"
    if os.geteuid() == 0:
        return Path("/var/cache/eventreplay-tests")
    return Path.home() / ".cache" / "eventreplay-tests"


def provide(package: str, prepare: Callable[[Path, Path], None] | None = None, *also: str) -> Path:
    """The folder that holds `package` and all that it needs and this machine has not.

    Args:
        package: its name in the distribution.
        prepare: called once as (folder as it is, path it will have) before others see the folder.
        also: further packages to put into the same folder.

    Raises:
        PrefixError: no apt here, no package of that name, no network.
    """
    place = cache_folder() / package / _distribution("-".join(also))
    found = sorted(place.glob("[!.]*"), key=lambda path: path.stat().st_mtime)
    if found:
        return found[-1]
    if shutil.which("apt-get") is None or shutil.which("dpkg-deb") is None:
        raise PrefixError("there is no apt-get here to download packages with.")
    place.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".", dir=place) as name:
        folder = Path(name)
        version = _download([package, *also], folder)
        ready, final = folder / "ready", place / version
        ready.mkdir(mode=0o755)
        for each in sorted(folder.glob("*.deb")):
            _run(["dpkg-deb", "-x", str(each), str(ready)], folder)
        if prepare is not None:
            prepare(ready, final)
        try:
            ready.rename(final)
        except OSError:
            # Another process was first; its copy is as good, if it is one.
            if not final.is_dir():
                raise
        return final


def libraries(prefix: Path) -> str:
    """LD_LIBRARY_PATH for programs of a prefix."""
    folders = [*prefix.glob("usr/lib/*-linux-gnu*"), *prefix.glob("lib/*-linux-gnu*"), prefix / "usr/lib"]
    return ":".join(str(folder) for folder in folders)


def _distribution(also: str) -> str:
    """Packages of one distribution's release and machine are of no use on another."""
    lines = _OS_RELEASE.read_text("utf-8").splitlines() if _OS_RELEASE.exists() else []
    facts = dict(line.split("=", 1) for line in lines if "=" in line)
    parts = [facts.get(key, "unknown").strip('"') for key in ("ID", "VERSION_ID")]
    extra = [hashlib.sha256(also.encode()).hexdigest()[:8]] if also else []
    return "-".join([*parts, platform.machine(), *extra])


def _download(packages: list[str], folder: Path) -> str:
    """Fetch the packages and what they need into `folder`; the version of the first."""
    options: list[str] = []
    try:
        wanted = _wanted(packages, options, folder)
    except PrefixError:
        # No lists of packages on this machine, or none that names it: fetch lists of our own, without rights.
        options = _private_state(folder)
        _run(["apt-get", *options, "update"], folder)
        wanted = _wanted(packages, options, folder)
    try:
        _run(["apt-get", *options, "download", *wanted], folder)
    except PrefixError:
        if options:
            raise
        # The machine's lists may be older than what the mirror still has.
        options = _private_state(folder)
        _run(["apt-get", *options, "update"], folder)
        _run(["apt-get", *options, "download", *_wanted(packages, options, folder)], folder)
    archive = next(iter(sorted(folder.glob(f"{packages[0]}_*.deb"))), None)
    if archive is None:
        raise PrefixError(f"{packages[0]} was not among what apt-get downloaded.")
    return _run(["dpkg-deb", "-f", str(archive), "Version"], folder).strip().replace(":", "~")


def _wanted(packages: list[str], options: list[str], folder: Path) -> list[str]:
    """The packages and those of their needs that are not installed here."""
    said = _run(["apt-get", *options, "-s", "install", "--no-install-recommends", *packages], folder)
    names = [line.split()[1] for line in said.splitlines() if line.startswith("Inst ")]
    # What is installed already is not in that list, but its files are wanted all the same.
    return [*names, *(each for each in packages if each not in names)]


def _private_state(folder: Path) -> list[str]:
    (folder / "state/lists/partial").mkdir(parents=True, exist_ok=True)
    (folder / "cache/archives/partial").mkdir(parents=True, exist_ok=True)
    return [
        "-o",
        f"Dir::State::lists={folder}/state/lists",
        "-o",
        f"Dir::Cache={folder}/cache",
        "-o",
        "Debug::NoLocking=1",
        "-o",
        "APT::Sandbox::User=root",
    ]


def _run(command: list[str], folder: Path) -> str:
    environment = {**os.environ, "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive"}
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
            timeout=DOWNLOAD_S_MAX,
            check=False,
            stdin=subprocess.DEVNULL,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise PrefixError(f"{command[0]} could not run: {type(error).__name__}.") from error
    if done.returncode != 0:
        raise PrefixError(f"{' '.join(command[:3])} … failed: {done.stderr.strip()[-400:]}")
    return done.stdout
