"""create_app(): joins everything, decides nothing."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from a2wsgi import WSGIMiddleware
from flask import Flask

from service.content.live import LiveGuide, watch
from service.errors import ModelError
from service.listening import Listening
from service.settings import Settings
from service.speech.cache import AudioCache
from service.speech.models import ModelStore, load_catalog
from service.speech.recognizer import Recognizer
from service.speech.voice import Pyttsx3Voice
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Library, Speaker, Talks
from service.web import socket
from service.web.api import LARGEST_BODY_BYTES, create_api, register_errors
from service.web.kiosk import create_kiosk, register_headers

log = logging.getLogger(__name__)
PAGE_THREADS = 16
"""Requests of pages and of the API that are served at once."""
LOOK_FOR_EDITS_EVERY_S = 1.0


@dataclass
class Service:
    """One running service without its server."""

    talks: Talks
    listening: Listening
    guide: LiveGuide
    speaker: Speaker
    flask: Flask
    asgi: object
    """The whole service as an ASGI application."""
    stop: threading.Event
    pool: ThreadPoolExecutor

    def close(self) -> None:
        """End threads and processes."""
        self.stop.set()
        self.pool.shutdown(cancel_futures=True)
        self.speaker.close()


def model_store(settings: Settings) -> ModelStore:
    """The store of models of these settings."""
    return ModelStore(settings.models_dir, load_catalog(settings.models_dir / "catalog.yaml"))


def load_recognizer(settings: Settings) -> Recognizer | None:
    """The recogniser, or None with one line in the log: the guide then runs with keys and touch."""
    try:
        return Recognizer(model_store(settings).path(settings.speech_model))
    except ModelError as e:
        log.warning("listening is off: %s", e)
        return None


def create_app(settings: Settings) -> Service:
    """Build the service. Raises ContentError or StoreError if it cannot run at all."""
    # The speech model loads while the guide is read and compiled: both take about a second.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_recognizer, settings)
        guide = LiveGuide(settings.prompts_dir)
        library = Library(guide, loading.result)
        recognizer = loading.result()
    if recognizer:
        guide.check_spelling(recognizer.knows)
    speaker = Speaker(Pyttsx3Voice(guide.current.lexicon),
                      AudioCache(settings.data_dir / "audio", settings.audio_cache_bytes))
    guide.on_change(speaker.use_guide)
    talks = Talks(library, TalkStore(open_database(settings.database_url)), speaker)
    listening = Listening(recognizer, library, settings.decoders)
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="listen")
    stop = threading.Event()
    if settings.reload_guide:
        watch(guide, LOOK_FOR_EDITS_EVERY_S, stop)
    flask = create_flask(talks, listening)
    listen_socket = socket.ListenSocket(talks, listening, pool)
    return Service(talks, listening, guide, speaker, flask, _asgi(flask, listen_socket), stop, pool)


def create_flask(talks: Talks, listening: Listening) -> Flask:
    """The pages and the API."""
    flask = Flask("service.web")
    flask.config["MAX_CONTENT_LENGTH"] = LARGEST_BODY_BYTES
    flask.json.ensure_ascii = False
    register_errors(flask, talks)
    register_headers(flask)
    flask.register_blueprint(create_api(talks, listening))
    flask.register_blueprint(create_kiosk(talks))
    return flask


def _asgi(flask: Flask, listen_socket: socket.ListenSocket):
    """One ASGI application: the socket by its path, everything else by Flask."""
    pages = WSGIMiddleware(flask, workers=PAGE_THREADS)

    async def application(scope, receive, send) -> None:
        if scope["type"] == "http":
            await pages(scope, receive, send)
        elif scope["type"] == "websocket" and scope["path"] == socket.PATH:
            await listen_socket(scope, receive, send)
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": socket.POLICY_VIOLATION})
    return application
