"""The HTTP API of a kiosk page as a device: /api/v1/device.

A device knows itself by a cookie that no script can read and no other site can send.
"""

from __future__ import annotations

from flask import Blueprint, Request, Response, jsonify, request
from flask_limiter import Limiter

from service.care.care import Care
from service.care.devices import Device, DeviceGone
from service.errors import Forbidden
from service.web.body import json_body, validator
from service.web.origin import same_origin

PREFIX = "/api/v1/device"
COOKIE = "device"
REGISTER_LIMIT = "60 per hour"
"""New devices from one address: a hall full of kiosks, and not a table full of nothing."""
COOKIE_LASTS_S = 5 * 365 * 24 * 3600


def device_of(given: Request, care: Care | None) -> Device | None:
    """The device that a request comes from, or None: a page that is none, or was cut off."""
    token = given.cookies.get(COOKIE)
    if not token or care is None:
        return None
    try:
        return care.devices.by_token(token)
    except DeviceGone:
        return None


def device_json(device: Device, notice: int | None) -> dict:
    """A device as its page needs it."""
    set_to = device.adjustment
    return {"paired": device.paired, "shared": device.shared, "version": device.version,
            "loudness_db": set_to.loudness_db, "large_type": set_to.large_type, "keys_only": set_to.keys_only,
            "notice": notice}


def create_device(care: Care, limiter: Limiter) -> Blueprint:
    """The blueprint of the calls."""
    api = Blueprint("device", __name__, url_prefix=PREFIX)
    check_input = validator("DeviceCheck")

    @api.before_request
    def guard() -> None:
        # Another site's form could otherwise give this browser the cookie of a new device, which is not paired.
        if not same_origin(request.headers.get("Origin"), request.host):
            raise Forbidden("not from a page of this service")

    @api.post("")
    @limiter.limit(REGISTER_LIMIT)
    def register():
        found = device_of(request, care)
        if found:
            return jsonify(device_json(found, None))
        token = care.devices.register()
        answer = jsonify(device_json(care.devices.by_token(token), None))
        answer.status_code = 201
        _set_cookie(answer, token)
        return answer

    @api.post("/check")
    def check():
        found = device_of(request, care)
        if found is None:
            raise DeviceGone
        care.devices.check_in(found.id, **json_body(check_input))
        return jsonify(device_json(found, care.notices.waiting(found.id) if found.paired else None))

    @api.errorhandler(DeviceGone)
    def gone(error: DeviceGone):
        answer = jsonify({"error": {"code": error.code, "message": str(error), "say": ""}})
        answer.status_code = error.status
        answer.delete_cookie(COOKIE, path="/")
        return answer

    return api


def _set_cookie(answer: Response, token: str) -> None:
    answer.set_cookie(COOKIE, token, max_age=COOKIE_LASTS_S, httponly=True, samesite="Strict",
                      secure=request.is_secure, path="/")
