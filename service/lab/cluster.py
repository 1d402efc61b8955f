"""Cluster: several services with one PostgreSQL and one Redis behind one nginx, as in ``deploy/``, on one machine."""

from __future__ import annotations

import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from service.lab.process import RunningService
from service.lab.servers import NginxServer, PostgresServer, RedisServer, free_port
from service.settings import PROJECT
from service.tls import CHAIN, SELF, open_certificate

NGINX = PROJECT / "deploy" / "nginx"
KEY_BYTES = 32


class Cluster:
    """Everything that runs; the parts may be stopped and started one by one."""

    def __init__(self, folder: Path, services: int = 2, **environment: str):
        """Start it all; MissingProgram if something is not installed. ``environment``: settings of the services."""
        self.postgres, self.redis = PostgresServer(), RedisServer()
        self._database = self.postgres.database()
        self.database = self._database.__enter__()
        key = folder / "secret.key"
        key.write_bytes(secrets.token_bytes(KEY_BYTES))
        shared = {"DATABASE_URL": self.database, "REDIS_URL": self.redis.url, "SECRET_KEY_FILE": str(key),
                  "PROXIES": "1", **environment}
        self.services = [RunningService(_made(folder / f"service{n}"), **shared) for n in range(services)]
        self.nginx: NginxServer | None = None
        try:
            with ThreadPoolExecutor(services) as starting:
                list(starting.map(RunningService.start, self.services))
            open_certificate(SELF, folder, "localhost", "")
            self.certificate = folder / "tls" / CHAIN
            """What the load balancer shows, to be trusted by its clients."""
            port = free_port()
            self.nginx = NginxServer(_settings(folder, port, [service.port for service in self.services]))
            self.url = f"https://localhost:{port}"
            """Address of the load balancer."""
        except BaseException:
            self.stop()
            raise

    def stop(self) -> None:
        """Stop everything and delete what it made outside of the folder."""
        for service in self.services:
            service.stop()
        if self.nginx:
            self.nginx.stop()
        self.redis.stop()
        self._database.__exit__(None, None, None)
        self.postgres.stop()


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True)
    return folder


def _settings(folder: Path, port: int, ports: list[str]) -> str:
    """The shipped settings of nginx, at other addresses."""
    upstreams = (NGINX / "upstreams.conf").read_text(encoding="utf-8")
    servers = "".join(f"    server 127.0.0.1:{one} max_fails=3 fail_timeout=2s;\n" for one in ports)
    blocks = re.sub(r"(?:    server 127[^\n]*\n)+", lambda _: servers, upstreams)
    (folder / "upstreams.conf").write_text(blocks, encoding="utf-8")
    (folder / "proxy.conf").write_text((NGINX / "proxy.conf").read_text(encoding="utf-8"), encoding="utf-8")
    site = (NGINX / "shebao.conf").read_text(encoding="utf-8").replace("shebao/", f"{folder}/")
    site = re.sub(r" *listen \[::\][^\n]*\n", "", site)
    site = site.replace("listen 80 ", f"listen 127.0.0.1:{free_port()} ")
    return site.replace("listen 443 ", f"listen 127.0.0.1:{port} ")
