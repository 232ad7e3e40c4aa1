"""What an administrator would use instead, as child processes: shell pipelines, nginx, an rsync daemon."""

from __future__ import annotations

import getpass
import os
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from benchmarks.runner import timed
from shared.runtime.ports import answers, free_port
from shared.testing.waiting import wait_for

_NGINX = """\
daemon off;
master_process off;
error_log {folder}/error.log;
pid {folder}/nginx.pid;
events {{}}
http {{
  access_log off;
  sendfile on;
  tcp_nopush on;
  client_body_temp_path {folder}/body;
  proxy_temp_path {folder}/proxy;
  fastcgi_temp_path {folder}/fastcgi;
  uwsgi_temp_path {folder}/uwsgi;
  scgi_temp_path {folder}/scgi;
  server {{
    listen 127.0.0.1:{port};
    root {root};
  }}
}}
"""
_RSYNCD = """\
use chroot = no
{identity}
[files]
path = {root}
read only = yes
"""


def missing(*programs: str) -> list[str]:
    """Which of these are not installed."""
    return [program for program in programs if find(program) is None]


def find(program: str) -> str | None:
    """A program on the path or where administrators' programs are kept."""
    return shutil.which(program, path=f"{os.environ.get('PATH', '')}:/usr/sbin:/usr/local/sbin")


def shell(script: str, **paths: Path | str) -> float:
    """Wall seconds of a bash script in which `{name}` stands for a path; every part of it must succeed."""
    command = ["bash", "-euo", "pipefail", "-c", script.format(**{name: shlex.quote(str(path)) for name, path in paths.items()})]
    return timed(lambda: subprocess.run(command, check=True, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL))


@contextmanager
def nginx(root: Path, folder: Path) -> Iterator[str]:
    """Serve a folder by nginx on loopback; its address."""
    folder.mkdir(parents=True)
    port = free_port()
    configuration = folder / "nginx.conf"
    configuration.write_text(_NGINX.format(folder=folder, root=root, port=port))
    command = [find("nginx") or "nginx", "-p", str(folder), "-c", str(configuration), "-e", str(folder / "error.log")]
    with _running(command, port):
        yield f"http://127.0.0.1:{port}"


@contextmanager
def rsync_daemon(root: Path, folder: Path) -> Iterator[str]:
    """Serve a folder by an rsync daemon on loopback; its address."""
    folder.mkdir(parents=True)
    port = free_port()
    # A daemon that root starts becomes nobody, who may not look into our folder.
    identity = f"uid = {getpass.getuser()}\ngid = {os.getgid()}" if os.getuid() == 0 else ""
    configuration = folder / "rsyncd.conf"
    configuration.write_text(_RSYNCD.format(identity=identity, root=root))
    options = ["--address=127.0.0.1", f"--port={port}", f"--config={configuration}", f"--log-file={folder / 'log'}"]
    with _running(["rsync", "--daemon", "--no-detach", *options], port):
        yield f"rsync://127.0.0.1:{port}/files"


@contextmanager
def _running(command: list[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        wait_for(lambda: process.poll() is not None or answers("127.0.0.1", port), f"{command[0]} answers")
        if process.poll() is not None:
            raise RuntimeError(f"{command[0]} ended with {process.returncode}")
        yield
    finally:
        process.terminate()
        process.wait()
