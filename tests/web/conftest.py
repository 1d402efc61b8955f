from types import SimpleNamespace

import pytest
from flask.testing import FlaskClient

from service.app import create_flask
from service.care.care import open_care
from service.listening import Listening
from service.store.database import open_database
from service.store.talks import TalkStore
from service.talks import Talks, utc_now
from tests import support
from tests.support import QUICK_HASHER, edition, hearing_edition, recognizer


@pytest.fixture(scope="session")
def talks(tmp_path_factory):
    """Talks over a real database with the real voice."""
    folder = tmp_path_factory.mktemp("web")
    speaker = support.speaker(folder)
    engine = open_database(f"sqlite:///{folder / 'guide.db'}")
    care = open_care(engine, bytes(32), utc_now, QUICK_HASHER)
    yield Talks(SimpleNamespace(edition=edition()), TalkStore(engine), speaker, care=care)
    speaker.close()
    engine.dispose()


@pytest.fixture(scope="session")
def app(talks: Talks):
    """The pages and the API without a speech model."""
    return create_flask(talks, Listening(None, SimpleNamespace(edition=edition()), "both"), talks.care)


@pytest.fixture
def client(app) -> FlaskClient:
    return app.test_client()


def _hearing(talks: Talks, decoders: str) -> FlaskClient:
    listening = Listening(recognizer(), SimpleNamespace(edition=hearing_edition()), decoders)
    return create_flask(talks, listening).test_client()


@pytest.fixture
def hearing(talks: Talks) -> FlaskClient:
    """The same API with the speech model; only the grammar decodes, which takes a tenth of the time."""
    return _hearing(talks, "grammar")


@pytest.fixture
def hearing_with_both(talks: Talks) -> FlaskClient:
    """The same as it is by default: the grammar and the whole vocabulary decode."""
    return _hearing(talks, "both")
