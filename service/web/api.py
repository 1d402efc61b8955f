"""The HTTP API below /api/v1: sessions, turns, audio. Described by ``openapi.yaml``."""

from __future__ import annotations

import functools
import logging
import re
from pathlib import Path

import yaml
from flask import Blueprint, Flask, Response, jsonify, request
from jsonschema import Draft202012Validator
from werkzeug.exceptions import HTTPException, RequestEntityTooLarge

from service.errors import AudioError, BadRequest, GuideError, NotFound
from service.listening import Listening
from service.speech.audio import read_pcm
from service.talks import Talks, View

log = logging.getLogger(__name__)
PREFIX = "/api/v1"
LARGEST_BODY_BYTES = 24 * 1024 * 1024
"""A minute of 48 kHz 32 bit stereo audio fits; anything larger is refused unread."""
LARGEST_JSON_BYTES = 64 * 1024
"""A turn in JSON is a key or a sentence."""
_TURN_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


@functools.cache
def description() -> dict:
    """The OpenAPI 3.1 description of this API."""
    return yaml.safe_load(Path(__file__).with_name("openapi.yaml").read_text(encoding="utf-8"))


def reply_json(view: View, listening: bool) -> dict:
    """A turn's answer in the form of the API."""
    reply, base = view.reply, f"{PREFIX}/sessions/{view.talk_id}/turns/{view.turn_id}/audio"
    return {
        "session": view.talk_id, "turn_id": view.turn_id, "number": view.number,
        "node": reply.node, "title": reply.title, "state": reply.state,
        "step": {"number": reply.step[0], "count": reply.step[1]} if reply.step else None,
        "sentences": [{"text": t, "audio": f"{base}/{i}"} for i, t in enumerate(reply.sentences)],
        "shown": list(reply.shown),
        "choices": [{"key": c.key, "label": c.label} for c in reply.choices],
        "pace_cpm": reply.pace_cpm, "loudness_db": reply.loudness_db,
        "hint_after_s": reply.hint_after_s, "listening": listening,
    }


def error_json(error: GuideError, talks: Talks) -> dict:
    """An error in the one shape that all of the API has."""
    return {"error": {"code": error.code, "message": str(error), "say": talks.fault(error)}}


def register_errors(app: Flask, talks: Talks) -> None:
    """Let every error of the app leave in the API's shape."""
    def answer(error: GuideError):
        return jsonify(error_json(error, talks)), error.status

    @app.errorhandler(GuideError)
    def ours(error: GuideError):
        if error.status >= 500:
            log.error("%s: %s", error.code, error)
        return answer(error)

    @app.errorhandler(HTTPException)
    def http(error: HTTPException):
        translated = NotFound(error.name) if error.code == 404 else BadRequest(error.name)
        translated.status = error.code
        return answer(translated)

    @app.errorhandler(Exception)
    def unexpected(error: Exception):
        # The type alone: the text of a foreign error may quote what was said.
        log.error("unexpected %s", type(error).__name__, exc_info=log.isEnabledFor(logging.DEBUG))
        return answer(GuideError("something unexpected went wrong"))


def create_api(talks: Talks, listening: Listening) -> Blueprint:
    """The blueprint of the API."""
    api = Blueprint("api", __name__, url_prefix=PREFIX)
    body = Draft202012Validator({"$ref": "#/components/schemas/TurnInput", **description()})

    def answer(view: View, status: int = 200):
        return jsonify(reply_json(view, listening.available)), status

    @api.post("/sessions")
    def open_session():
        return answer(talks.open(), 201)

    @api.get("/sessions/<session>")
    def get_session(session: str):
        return answer(talks.last(session))

    @api.delete("/sessions/<session>")
    def end_session(session: str):
        talks.end(session)
        return "", 204

    @api.post("/sessions/<session>/turns")
    def post_turn(session: str):
        if request.mimetype.startswith("audio/"):
            return answer(_audio_turn(talks, listening, session))
        given = _json_body(body)
        turn_id = given["turn_id"]
        if "key" in given:
            return answer(talks.press(session, turn_id, given["key"]))
        if "text" in given:
            return answer(talks.say(session, turn_id, given["text"]))
        event = talks.silence if given["event"] == "silence" else talks.rejoin
        return answer(event(session, turn_id))

    @api.get("/sessions/<session>/turns/<turn>/audio/<int:index>")
    def get_audio(session: str, turn: str, index: int):
        wav = talks.audio(session, turn, index)
        # The same turn's sentence never changes, but it is the listener's own: no shared cache.
        return Response(wav, mimetype="audio/wav", headers={"Cache-Control": "private, max-age=3600"})

    @api.get("/openapi.json")
    def get_description():
        return jsonify(description())

    return api


def _json_body(validator: Draft202012Validator) -> dict:
    if request.content_length is None:
        raise BadRequest("the body is missing, or has no Content-Length")
    if request.content_length > LARGEST_JSON_BYTES:
        raise RequestEntityTooLarge()
    try:
        given = request.get_json(force=True, silent=True)
    except RecursionError as e:
        raise BadRequest("the body is nested too deeply") from e
    if given is None:
        raise BadRequest("the body is not JSON")
    error = next(validator.iter_errors(given), None)
    if error:
        # Not the library's own message: it quotes the body.
        place = ".".join(map(str, error.absolute_path)) or "body"
        raise BadRequest(f"{place}: breaks the rule {error.validator}")
    # Python's $ lets a line end through, JSON Schema's does not.
    if not _TURN_ID.fullmatch(given["turn_id"]):
        raise BadRequest("turn_id: breaks the rule pattern")
    return given


def _audio_turn(talks: Talks, listening: Listening, session: str) -> View:
    turn_id = request.headers.get("Turn-Id", "")
    if not _TURN_ID.fullmatch(turn_id):
        raise BadRequest("Turn-Id: 1 to 64 letters, digits, - or _")
    heard = listening.once(read_pcm(request.get_data()))
    view = heard.hearing and talks.hear(session, turn_id, heard.hearing)
    if view is None:
        raise _NothingHeard("no speech in the recording")
    return view


class _NothingHeard(AudioError):
    """The recording is audio, but nobody speaks in it."""

    code = "nothing_heard"
