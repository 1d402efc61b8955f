"""What a service uses of its machine, with the processes that it started."""

from __future__ import annotations

import contextlib
from dataclasses import dataclass

import psutil


@dataclass(frozen=True)
class Resources:
    """At one moment."""

    service_mb: float
    """Resident memory of the service's process, MiB."""
    children_mb: float
    """The same of the processes that it started."""
    files: int
    """Open file descriptors of all of them, connections among them."""
    threads: int
    connections: int
    """Internet connections of the service's process that are open or just being closed."""
    cpu_s: float
    """Processor time that all of them have used so far, seconds."""


def resources(pid: int) -> Resources:
    """What the process with this number and those below it use; psutil.NoSuchProcess if it has ended."""
    service = psutil.Process(pid)
    children_bytes, files, threads, cpu_s = 0, service.num_fds(), service.num_threads(), _cpu_s(service)
    for child in service.children(recursive=True):
        with contextlib.suppress(psutil.NoSuchProcess):
            children_bytes += child.memory_info().rss
            files += child.num_fds()
            threads += child.num_threads()
            cpu_s += _cpu_s(child)
    return Resources(_mebibytes(service.memory_info().rss), _mebibytes(children_bytes), files, threads,
                     len(service.net_connections("inet")), cpu_s)


def _cpu_s(process: psutil.Process) -> float:
    times = process.cpu_times()
    return times.user + times.system


def _mebibytes(size: int) -> float:
    return round(size / 2**20, 1)
