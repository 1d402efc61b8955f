"""create_app(): joins everything, decides nothing."""

from __future__ import annotations

import logging
import os
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Callable

from a2wsgi import WSGIMiddleware
from flask import Flask

from service import fitting
from service.content.live import LiveGuide, watch
from service.content.sentences import sentences
from service.core.classifier import Classifier
from service.core.model import Guide
from service.errors import ModelError
from service.listening import Listening
from service.settings import Settings
from service.speech import kokoro
from service.speech.cache import AudioCache
from service.speech.family import FamilyVoices
from service.speech.models import ModelStore, load_catalog
from service.speech.recognizer import Recognizer
from service.speech.speaker import Speaker
from service.speech.voices import Voices
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Library, Talks
from service.web import socket
from service.web.api import LARGEST_BODY_BYTES, create_api, register_errors
from service.web.family import create_family
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


def learner(settings: Settings) -> Callable[[Guide], Classifier]:
    """What reads or learns the Classifier of a guide."""
    return lambda guide: fitting.classifier(guide, settings.learnt_dir)


def load_listening(settings: Settings, which: str) -> tuple[Listening, Library]:
    """Ears without a service around them, which decode with ``which``; ModelError without a speech model."""
    recognizer = load_recognizer(settings)
    if recognizer is None:
        raise ModelError("without a speech model nothing can be heard")
    library = Library(LiveGuide(settings.prompts_dir), lambda: recognizer, learner(settings))
    return Listening(recognizer, library, which), library


def load_speaker(settings: Settings, guide: LiveGuide) -> Speaker:
    """The voices but for Kokoro, which takes longer to be verified than the start may."""
    voices = Voices(settings.packs_dir, settings.family_dir, guide.current.lexicon, settings.voice_order,
                    settings.usual_voice)
    speaker = Speaker(voices, AudioCache(settings.data_dir / "audio", settings.audio_cache_bytes))
    guide.on_change(speaker.use_guide)
    return speaker


def load_kokoro(settings: Settings, speaker: Speaker) -> bool:
    """Let the speaker use Kokoro; False with one line in the log where it is not to be had."""
    if settings.voice != "natural":
        return False
    try:
        speaker.voices.use_kokoro(model_store(settings).path(kokoro.MODEL))
    except ModelError as e:
        log.warning("what is not in the voice pack is spoken by pyttsx3: %s", e)
        return False
    return True


def _load_kokoro(settings: Settings, guide: LiveGuide, speaker: Speaker) -> None:
    if load_kokoro(settings, speaker):
        # An edited sentence is rendered before somebody asks for it.
        guide.on_change(lambda edited: speaker.prepare_spare(sentences(edited), ""))


def create_app(settings: Settings) -> Service:
    """Build the service. Raises ContentError or StoreError if it cannot run at all."""
    # The speech model loads while the guide is read and compiled: both take about a second.
    with ThreadPoolExecutor(1) as loader:
        loading = loader.submit(load_recognizer, settings)
        guide = LiveGuide(settings.prompts_dir)
        library = Library(guide, loading.result, learner(settings))
        recognizer = loading.result()
    if recognizer:
        guide.check_spelling(recognizer.knows)
    speaker = load_speaker(settings, guide)
    talks = Talks(library, TalkStore(open_database(settings.database_url)), speaker)
    listening = Listening(recognizer, library, settings.decoders)
    pool = ThreadPoolExecutor(os.cpu_count(), thread_name_prefix="listen")
    stop = threading.Event()
    threading.Thread(target=_load_kokoro, args=(settings, guide, speaker), name="kokoro", daemon=True).start()
    if settings.reload_guide:
        watch(guide, LOOK_FOR_EDITS_EVERY_S, stop)
    flask = create_flask(talks, listening)
    flask.register_blueprint(create_family(FamilyVoices(settings.family_dir), talks, speaker, recognizer))
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
