"""A machine of its own for a test: a real systemd as process 1 of new namespaces, on a copy of this file system.

What it writes goes to a folder of the test, by an overlay; its processes end with it. It shares this machine's network
and nothing else. That takes root, an overlay file system and cgroup v2; `Unavailable` says what is missing.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from contextlib import suppress
from pathlib import Path

import psutil

from tools.bootstrap import ROOT

SYSTEMD = "/lib/systemd/systemd"
TARGET = """[Unit]
Description=A test
Wants=systemd-journald.socket systemd-journald-dev-log.socket systemd-journald.service dbus.socket
"""
BOOT = r"""
set -eu
mount --make-rprivate /
mount -t overlay overlay -o "lowerdir=/,upperdir=$FOLDER/upper,workdir=$FOLDER/work" "$FOLDER/root"
mkdir -p "$FOLDER/root$CHECKOUT"
mount --bind "$CHECKOUT" "$FOLDER/root$CHECKOUT"
cd "$FOLDER/root"
mount -t proc proc proc
mount --bind proc/sys proc/sys
mount -o remount,bind,ro proc/sys # the kernel's settings are everybody's
mount -t sysfs -o ro sysfs sys
mount -t cgroup2 cgroup2 sys/fs/cgroup
mount -t tmpfs tmpfs dev
for device in null zero full random urandom tty; do
    touch "dev/$device"
    mount --bind "/dev/$device" "dev/$device"
done
mkdir dev/pts dev/shm
mount -t devpts -o newinstance,ptmxmode=0666 devpts dev/pts
ln -s pts/ptmx dev/ptmx
mount -t tmpfs tmpfs dev/shm
mount -t tmpfs tmpfs run
mkdir old
pivot_root . old
umount -l /old
echo > /etc/machine-id
echo > /etc/fstab
for unit in /lib/systemd/system/*.target.wants/* /etc/systemd/system/*.wants/*; do
    case "$unit" in */systemd-journal* | */dbus*) ;; *) ln -sf /dev/null "/etc/systemd/system/${unit##*/}" ;; esac
done
printf '%s' "$TARGET" > /etc/systemd/system/test.target
export container=test
exec env -i container=test PATH=/usr/sbin:/usr/bin:/sbin:/bin \
    "$SYSTEMD" --system --unit=test.target --show-status=no --log-target=console
"""


class Unavailable(Exception):
    """No such machine can be had here; the message says why."""


class Machine:
    """Use it as a context; `folder` takes what it writes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.cgroup: Path | None = None
        self.process: subprocess.Popen[bytes] | None = None
        self.first = 0
        self.python = ""

    def __enter__(self) -> Machine:
        self._need()
        try:
            self._boot()
        except BaseException:
            self.__exit__()
            raise
        return self

    def _need(self) -> None:
        if os.geteuid():
            raise Unavailable("it takes root")
        for program in (SYSTEMD, "systemctl", "unshare", "nsenter", "setpriv"):
            if not shutil.which(program):
                raise Unavailable(f"there is no {program}")
        names = [f"/usr{local}/bin/python{version}" for local in ("", "/local") for version in ("3.12", "3.11", "3.13")]
        self.python = next((name for name in names if os.access(name, os.X_OK)), "")
        if not self.python:
            raise Unavailable("no Python that services may read: apt-get install python3")
        if not _cgroup2():
            raise Unavailable("no cgroup v2 is mounted")

    def _boot(self) -> None:
        for name in ("upper", "work", "root"):
            (self.folder / name).mkdir(parents=True)
        self.cgroup = _cgroup2() / f"energy-ingest-test-{os.getpid()}"
        self.cgroup.mkdir()
        names = {"FOLDER": self.folder, "CHECKOUT": ROOT, "TARGET": TARGET}
        env = {**os.environ, "SYSTEMD": SYSTEMD, **{name: str(value) for name, value in names.items()}}
        enter = f"echo $$ > '{self.cgroup}/cgroup.procs'; exec setpriv --pdeathsig KILL unshare"
        spaces = "--fork --kill-child --pid --mount --uts --ipc --cgroup"
        with (self.folder / "console.log").open("wb") as log:
            command = ["sh", "-c", f'{enter} {spaces} sh -c "$0"', BOOT]
            self.process = subprocess.Popen(command, env=env, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
        deadline = time.monotonic() + 60
        while not self._is_up():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise Unavailable(f"it did not start: {(self.folder / 'console.log').read_text()[-300:].strip()}")
            time.sleep(0.1)

    def _is_up(self) -> bool:
        with suppress(psutil.NoSuchProcess, IndexError):
            self.first = psutil.Process(self.process.pid).children()[0].pid
            return self.run("systemctl", "is-active", "--quiet", "test.target").returncode == 0
        return False

    def run(self, *command: str, **environment: str) -> subprocess.CompletedProcess[str]:
        """A command as root of that machine."""
        path = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = {"PATH": path, "HOME": os.environ.get("HOME", "/root"), "LANG": "C.UTF-8", **environment}
        here = ("sh", "-c", f"cd '{ROOT}' && exec \"$@\"", "sh")
        enter = ("nsenter", f"--target={self.first}", "--all", "--", *here, *command)
        return subprocess.run(enter, env=env, capture_output=True, text=True, timeout=1200, stdin=subprocess.DEVNULL)

    def __exit__(self, *_: object) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                if self.first:
                    os.kill(self.first, signal.SIGKILL)  # and with it every process of that machine
            self.process.kill()
            self.process.wait()
        for _ in range(100):  # the last processes may still be ending
            if not self.cgroup or not self.cgroup.exists():
                break
            folders = sorted((path for path in self.cgroup.rglob("*") if path.is_dir()), reverse=True)
            for folder in (*folders, self.cgroup):
                with suppress(OSError):
                    folder.rmdir()
            time.sleep(0.1)


def _cgroup2() -> Path | None:
    for line in Path("/proc/self/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            return Path(place)
    return None
