"""What is learnt of the ways of asking is kept, and made again when it must be."""


import numpy as np
import pytest

from service import fitting
from service.core.classifier import Classifier
from service.core.understanding import Example
from service.errors import ModelError

LISTED = [Example(text, label, 1.0) for label, texts in {
    "m1": ("查社保", "怎么查社保", "我要查社保", "社保在哪里查"), "m2_med": ("医保卡的钱", "医保卡里多少钱", "看医保卡的钱"),
    "~": ("今天天气好", "天气好不好", "今天吃什么")}.items() for text in texts]


@pytest.fixture
def few(monkeypatch):
    """A handful of phrases instead of the guide's thousands; all else is as it is."""
    monkeypatch.setattr(fitting, "examples", lambda guide: LISTED)


@pytest.fixture(scope="module")
def learnt(tmp_path_factory):
    """The file that is kept of those phrases."""
    folder = tmp_path_factory.mktemp("learnt")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fitting, "examples", lambda guide: LISTED)
        fitting.classifier(None, folder)
    [path] = folder.iterdir()
    return path


def best(classifier: Classifier, text: str) -> str:
    return classifier.labels[int(np.argmax(classifier.log_probabilities(text)))]


def test_what_is_learnt_tells_the_phrases_apart():
    classifier = Classifier(fitting.fit(LISTED))
    assert [best(classifier, t) for t in ("要查社保吗", "医保卡有钱吗", "今天好天气")] == ["m1", "m2_med", "~"]
    assert np.exp(classifier.log_probabilities("查社保")).sum() == pytest.approx(1)


def test_a_text_without_a_known_gram_has_the_probabilities_of_nothing_known():
    classifier = Classifier(fitting.fit(LISTED))
    assert np.allclose(classifier.log_probabilities("鑫"), classifier.log_probabilities(""))
    assert classifier.coverage("", 2) == 1.0 and classifier.coverage("鑫鑫鑫", 2) == 0.0


@pytest.mark.filterwarnings("ignore:lbfgs failed to converge")  # as it must, after one step
def test_one_more_phrase_goes_on_from_what_was_learnt(monkeypatch):
    more = [*LISTED, Example("怎么查社保咯", "m1", 1.0), Example("社保咯怎么查", "m1#how", 1.0)]
    monkeypatch.setattr(fitting, "STEPS", 1)
    hasty = Classifier(fitting.fit(more))
    monkeypatch.undo()
    before = fitting.fit(LISTED)
    monkeypatch.setattr(fitting, "STEPS_ON", 1)
    gone_on = Classifier(fitting.fit(more, before))
    sure = Classifier(before)
    for text in ("怎么查社保", "医保卡有钱吗", "今天好天气"):
        assert best(gone_on, text) == best(sure, text)
        # As sure as before after one step, which from nothing is by no means.
        assert sure.log_probabilities(text).max() == pytest.approx(gone_on.log_probabilities(text).max(), abs=0.1)
        assert hasty.log_probabilities(text).max() < gone_on.log_probabilities(text).max() - 0.2
    assert gone_on.aspect("m1", "社保咯怎么查")[0] in ("", "how")


def test_what_was_learnt_of_something_else_is_not_gone_on_from():
    other = fitting.fit([Example(text, label, 1.0) for text, label in (("查红烧肉怎么做", "m1"), ("红烧肉怎么做", "m1"),
                                                                       ("天气打牌", "~"), ("打牌去", "~"))])
    assert np.allclose(fitting.fit(LISTED, other).bias, fitting.fit(LISTED).bias)


def test_what_was_learnt_with_other_settings_is_not_gone_on_from(few, tmp_path, monkeypatch):
    fitting.classifier(None, tmp_path)
    [path] = tmp_path.iterdir()
    assert fitting._usable(str(path)) is not None
    monkeypatch.setattr(fitting, "STRENGTH", 1.0)
    assert fitting._usable(str(path)) is None


@pytest.mark.parametrize("damage", [b"", b"no archive"])
def test_a_damaged_file_is_not_gone_on_from(few, tmp_path, damage):
    (tmp_path / "requests-0.npz").write_bytes(damage)
    assert best(fitting.classifier(None, tmp_path), "怎么查社保") == "m1"


def test_it_is_learnt_once_and_then_read(few, tmp_path, monkeypatch):
    first = fitting.classifier(None, tmp_path)
    monkeypatch.setattr(fitting, "_learn", lambda *_: pytest.fail("learnt again"))
    again = fitting.classifier(None, tmp_path)
    assert best(again, "怎么查社保") == "m1"
    assert np.allclose(first.log_probabilities("查社保"), again.log_probabilities("查社保"))


def test_other_phrases_are_learnt_anew_and_old_files_go(few, tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "KEPT", 2)
    for n in range(fitting.KEPT + 2):
        monkeypatch.setattr(fitting, "examples", lambda guide: [*LISTED, Example("查" * (n + 2), "m1", 1.0)])
        fitting.classifier(None, tmp_path)
    assert len(list(tmp_path.iterdir())) == fitting.KEPT


@pytest.mark.parametrize("damage", [b"", b"no archive", None])
def test_a_damaged_file_is_made_again(few, learnt, tmp_path, damage, caplog):
    (tmp_path / learnt.name).write_bytes(learnt.read_bytes()[:200] if damage is None else damage)
    assert best(fitting.classifier(None, tmp_path), "怎么查社保") == "m1"
    assert "damaged" in caplog.text


def test_a_folder_that_cannot_be_written_costs_only_the_keeping(few, tmp_path, caplog):
    (tmp_path / "file").write_bytes(b"")
    assert best(fitting.classifier(None, tmp_path / "file" / "below"), "怎么查社保") == "m1"
    assert "cannot be kept" in caplog.text


def test_what_cannot_be_learnt_is_a_model_error(tmp_path, monkeypatch):
    monkeypatch.setattr(fitting, "examples", lambda guide: [Example("查社保", "m1", 1.0)])
    with pytest.raises(ModelError):
        fitting.classifier(None, tmp_path)
