"""Probes: /healthz, /readyz and /metrics, for load balancers, administrators and Prometheus.

Plain ASGI: they answer also while every thread that serves pages is busy.
"""

from __future__ import annotations

import asyncio
import dataclasses
import hmac
import json

from service.monitoring import metrics as prometheus
from service.monitoring.health import Health, is_ready
from service.monitoring.metrics import Metrics
from service.web.origin import caller

HEALTH, READY, METRICS = "/healthz", "/readyz", "/metrics"
PATHS = (HEALTH, READY, METRICS)


class Probes:
    """The ASGI application of the three."""

    def __init__(self, health: Health, metrics: Metrics, token: str = ""):
        """``token`` lets other machines read the metrics; empty: none."""
        self._health, self._metrics, self._token = health, metrics, token

    async def __call__(self, scope, receive, send) -> None:
        """Answer one request: 200, 503 while the process is not ready, 403 for metrics that are not for whoever
        asks, 405 for a method other than GET and HEAD."""
        if scope["method"] not in ("GET", "HEAD"):
            status, kind, body = 405, "text/plain", b""
        elif scope["path"] == HEALTH:
            status, kind, body = 200, "text/plain", b"ok\n"
        elif scope["path"] == READY:
            status, kind, body = await self._readiness()
        elif self._may_read(scope):
            status, kind, body = 200, prometheus.CONTENT_TYPE, self._metrics.text()
        else:
            status, kind, body = 403, "text/plain", b""
        headers = [(b"content-type", kind.encode()), (b"content-length", str(len(body)).encode()),
                   (b"cache-control", b"no-store"), (b"x-content-type-options", b"nosniff")]
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": b"" if scope["method"] == "HEAD" else body})

    async def _readiness(self) -> tuple[int, str, bytes]:
        checks = await asyncio.to_thread(self._health.checks)
        ready = is_ready(checks)
        told = {"ready": ready, "checks": [dataclasses.asdict(check) for check in checks]}
        return 200 if ready else 503, "application/json", json.dumps(told).encode()

    def _may_read(self, scope) -> bool:
        headers = {name.lower(): value for name, value in scope["headers"]}
        given, wanted = headers.get(b"authorization", b""), f"Bearer {self._token}".encode()
        if self._token and hmac.compare_digest(given, wanted):
            return True
        return caller(scope, 0).local
