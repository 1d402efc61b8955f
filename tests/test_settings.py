"""Settings are read strictly: a value that cannot be taken is named, never guessed."""

import traceback
from pathlib import Path

import pytest

from service.errors import SettingsError
from service.settings import Settings, read_settings


def test_an_empty_environment_gives_the_defaults():
    assert read_settings({}) == Settings()


def test_what_is_set_is_taken():
    settings = read_settings({"HOST": "0.0.0.0", "PORT": "0", "DATA_DIR": "/var/guide", "DECODERS": "grammar",
                              "AUDIO_CACHE_MB": "3", "LOG_LEVEL": "DEBUG", "SPEECH_MODEL": "other"})
    assert (settings.host, settings.port, settings.data_dir) == ("0.0.0.0", 0, Path("/var/guide"))
    assert (settings.decoders, settings.audio_cache_bytes) == ("grammar", 3 * 1024 * 1024)
    assert (settings.log_level, settings.speech_model) == ("DEBUG", "other")
    assert settings.database_url == "sqlite:////var/guide/guide.db"


@pytest.mark.parametrize("text, value", [
    ("true", True), ("1", True), ("YES", True), ("on", True),
    ("false", False), ("0", False), ("No", False), ("off", False)])
def test_a_boolean_means_what_it_says(text: str, value: bool):
    assert read_settings({"RELOAD_GUIDE": text}).reload_guide is value


@pytest.mark.parametrize("name, text", [
    ("RELOAD_GUIDE", "maybe"), ("RELOAD_GUIDE", "2"), ("RELOAD_GUIDE", "truee"),
    ("PORT", "http"), ("PORT", "-1"), ("PORT", "65536"), ("PORT", "80.5"),
    ("SERVES", "audio,pages"), ("PLAIN_HTTP", "perhaps"), ("METRICS_TOKEN", "short"), ("MOST_MEMORY_MB", "-5"),
    ("DECODERS", "Both"), ("AUDIO_CACHE_MB", "0"), ("AUDIO_CACHE_MB", "much"), ("LOG_LEVEL", "loud")])
def test_a_value_that_cannot_be_taken_is_refused_by_its_name_alone(name: str, text: str):
    with pytest.raises(SettingsError, match=f"^{name} must be ") as error:
        read_settings({name: text})
    assert text not in str(error.value).split()


def test_an_empty_value_counts_as_not_set():
    assert read_settings({"PORT": "", "RELOAD_GUIDE": "  ", "DATA_DIR": ""}) == Settings()


def test_spaces_around_a_value_do_no_harm():
    assert read_settings({"PORT": " 9000 "}).port == 9000


def test_variables_of_others_are_left_alone():
    assert read_settings({"PORTAL": "x", "DEBUG": "maybe", "port": "x"}) == Settings()


# --- the database ---------------------------------------------------------------------------------------

@pytest.mark.parametrize("url", [
    "sqlite:////var/guide/other.db", "sqlite:///other.db", "postgresql://guide:secret@db.example:5432/guide",
    "postgresql+psycopg://guide@/guide?host=/run/postgresql", "postgresql://guide@db/guide?sslmode=require"])
def test_an_address_of_a_database_is_taken(url: str):
    assert read_settings({"DATABASE_URL": url, "DATA_DIR": "/var/guide"}).database_url == url


@pytest.mark.parametrize("url", [
    "mysql://u:secret@h/d", "postgres://u:secret@h/d", "postgresql+psycopg2://u:secret@h/d", "secret",
    "postgresql://u:secret@h", "postgresql://u:secret@h/", "postgresql://u:x@secret:port/d",
    "postgresql://u:1@h:secret/d", "sqlite://", "sqlite:///", "sqlite:///:memory:", "sqlite:///file:secret?uri=true",
    "sqlite://secret/d", "sqlite+pysqlite:///secret", "/var/secret.db"])
def test_another_address_is_refused_and_not_shown(url: str):
    with pytest.raises(SettingsError, match="^DATABASE_URL must be ") as error:
        read_settings({"DATABASE_URL": url})
    assert "secret" not in "".join(traceback.format_exception(error.value))


def test_the_address_of_the_database_is_not_in_what_is_printed_of_the_settings():
    assert "secret" not in repr(read_settings({"DATABASE_URL": "postgresql://u:secret@h/d"}))


# --- Redis ------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("url", [
    "redis://cache.example:6379/0", "rediss://:secret@cache.example", "unix:///run/redis.sock"])
def test_an_address_of_redis_is_taken_and_not_printed(url: str):
    settings = read_settings({"REDIS_URL": url})
    assert settings.redis_url == url and "secret" not in repr(settings)


@pytest.mark.parametrize("url", ["secret", "http://secret", "redis://:secret@h:port", "redis://h:1/0?db=secret"])
def test_another_address_of_redis_is_refused_and_not_shown(url: str):
    with pytest.raises(SettingsError, match="^REDIS_URL must be ") as error:
        read_settings({"REDIS_URL": url})
    assert "secret" not in "".join(traceback.format_exception(error.value))


# --- how long records are kept ----------------------------------------------------------------------------

def test_days_of_some_kinds_of_records_are_taken():
    assert read_settings({"RETENTION_DAYS": "talks=30, audit = 365"}).retention_days == {"talks": 30, "audit": 365}


@pytest.mark.parametrize("text", [
    "talks", "talks=", "talks=0", "talks=-1", "talks=36501", "talks=1.5", "talks=1_0", "talks=３", "=30", "talks=30,",
    "talks=30;audit=3", "talks=30,talks=31", "publications=30", "changes=1", "Talks=30", "talks=30=30", "30"])
def test_days_that_cannot_be_taken_are_refused(text: str):
    with pytest.raises(SettingsError, match="^RETENTION_DAYS must be "):
        read_settings({"RETENTION_DAYS": text})
