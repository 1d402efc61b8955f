"""Errors: everything that can break, as one small tree.

What a listener does is a value (an Outcome); what breaks is one of these.
Errors of other libraries are translated into these at the adapter that meets them.
The message is for the log and the caregiver: precise, and never with anything private in it
(no transcript, no keyed digits). ``prompt`` names the sentence of ``prompts/system.yaml`` that
the person in front is told.
"""


class GuideError(Exception):
    """Base of every error that this service raises on purpose."""

    prompt = "error_internal"
    """Id of the sentence in ``prompts/system.yaml`` for the listener."""
    code = "internal"
    """Stable word for the API's error shape."""
    status = 500
    """HTTP status of the API's answer."""


class ContentError(GuideError):
    """The guide's data cannot be used; ``problems`` lists every fault that was found."""

    code = "content_invalid"

    def __init__(self, problems):
        self.problems = tuple(problems)
        super().__init__(f"{len(self.problems)} problem(s) in the guide's data: "
                         + "; ".join(str(p) for p in self.problems[:3]))


class SettingsError(GuideError):
    """The environment holds a value that no setting can take."""

    code = "settings_invalid"


class AudioError(GuideError):
    """The audio sent is not audio, or not of a kind that can be read."""

    code = "audio_unreadable"
    status = 422
    prompt = "error_audio"


class AudioTooLong(AudioError):
    """The audio sent is longer than a turn may be."""

    code = "audio_too_long"
    status = 413


class DeviceError(GuideError):
    """There is no usable microphone or loudspeaker."""

    code = "sound_device_missing"


class ModelError(GuideError):
    """A model of the catalog is missing, damaged or cannot be loaded."""

    code = "model_missing"
    status = 503
    prompt = "error_model"


class VoiceError(GuideError):
    """No voice could speak the text."""

    code = "voice_failed"
    status = 503
    prompt = "error_voice"


class PackError(VoiceError):
    """A voice pack, or a recording of one, cannot be read or written."""

    code = "voice_pack_failed"


class StoreError(GuideError):
    """The database did not take or give what was asked."""

    code = "store_failed"
    status = 503


class Busy(GuideError):
    """So many are talking that one more would be served badly, and make it worse for all; ask again later."""

    code = "busy"
    status = 503
    prompt = "error_busy"
    retry_after_s = 5


class NotFound(GuideError):
    """What was asked for does not exist."""

    code = "not_found"
    status = 404


class Ended(GuideError):
    """The session has been ended and takes no more turns."""

    code = "session_ended"
    status = 410


class BadRequest(GuideError):
    """The request is not of the form that the API describes."""

    code = "bad_request"
    status = 400


class Refused(GuideError):
    """What was asked for is not possible as things stand; ``code`` says why, for the page to put in words."""

    status = 409

    def __init__(self, code: str, message: str = ""):
        self.code = code
        super().__init__(message or code.replace("_", " "))


class Forbidden(GuideError):
    """Whoever asks may not do this."""

    code = "forbidden"
    status = 403
