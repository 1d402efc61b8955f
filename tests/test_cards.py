"""Cards: what of a node is on paper, how numbers are written there, and that the PDF is fit to print."""

import contextlib
import ctypes
import dataclasses
import datetime
import functools
import importlib.util
import re
import sys
import time

import pypdfium2
import pypdfium2.raw as pdfium
import pytest
import zxingcpp

from service import cards
from service.core.model import Guide, Node, Sentence, Step
from service.errors import BadRequest, NotFound
from tests.support import guide

MM = 72 / 25.4
SIZES_MM = {"a4": (210, 297), "a5": (148, 210)}
CARDS = [(node, size) for node in sorted(guide().nodes) for size in cards.SIZES]
SMALLEST_PT, FOOTER_PT = 16, 12


def address(node: str) -> str:
    return f"http://192.168.1.20:8080/nodes/{node}"


@functools.cache
def pdf(node: str, size: str) -> bytes:
    return cards.card_pdf(guide(), node, size, address(node))


@dataclasses.dataclass(frozen=True)
class Page:
    """What a reader of PDFs finds on one page."""

    size_pt: tuple[float, float]
    text: str
    pieces: tuple[tuple[float, str, bool], ...]
    """(size in points, text, is its font embedded)."""


def read(made: bytes) -> list[Page]:
    with contextlib.closing(pypdfium2.PdfDocument(made)) as document:
        return [Page(page.get_size(), page.get_textpage().get_text_range(), pieces(page)) for page in document]


@functools.cache
def pages(node: str, size: str) -> list[Page]:
    return read(pdf(node, size))


def pieces(page: pypdfium2.PdfPage) -> tuple[tuple[float, str, bool], ...]:
    found, texts = [], page.get_textpage()
    for piece in page.get_objects(filter=[pdfium.FPDF_PAGEOBJ_TEXT]):
        size = ctypes.c_float()
        pdfium.FPDFTextObj_GetFontSize(piece, size)
        length = pdfium.FPDFTextObj_GetText(piece, texts, None, 0)
        text = (ctypes.c_ushort * (length // 2))()
        pdfium.FPDFTextObj_GetText(piece, texts, text, length)
        found.append((round(size.value * abs(piece.get_matrix().d), 1), bytes(text).decode("utf-16-le").rstrip("\0"),
                      pdfium.FPDFFont_GetIsEmbedded(pdfium.FPDFTextObj_GetFont(piece)) == 1))
    return tuple(found)


def squeezed(text: str) -> str:
    """Text without what only sets it apart on a page."""
    return re.sub(r"[\s\ufffe]", "", text)


def sentences(node: Node) -> list[str]:
    return [cards.written(s.text) for s in (*node.say, *(s for x in node.steps for s in x.sentences),
                                            *(s for part in node.more for s in part))]


def changed(node_id: str, **changes) -> Guide:
    """The shipped guide with one node changed."""
    node = dataclasses.replace(guide().nodes[node_id], **changes)
    return dataclasses.replace(guide(), nodes={**guide().nodes, node_id: node})


# --- numbers as they are written ------------------------------------------------------------------

@pytest.mark.parametrize("spoken, written", [
    ("先打幺二三三三问。", "先打12333问。"), ("再打幺幺零报警", "再打110报警"), ("掌上幺二三三三", "掌上12333"),
    ("打〇七三四八八六", "打0734886"), ("区号零七三四", "区号0734"), ("打八八六二三四五。", "打8862345。"),
    ("二〇二五年", "2025年"), ("二零二五年", "2025年"), ("一九六九年十二月出生", "1969年12月出生"),
    ("二〇三一年三月退休", "2031年3月退休"), ("二〇二九年底以前", "2029年底以前"),
    ("二〇二七年要十四年，二〇二八年起十五年。", "2027年要十四年，2028年起十五年。"), ("先打12333问", "先打12333问"),
    ("二〇二五年底到二〇二六年", "2025年底到2026年")])
def test_what_is_spoken_digit_by_digit_is_written_in_digits(spoken, written):
    assert cards.written(spoken) == written


@pytest.mark.parametrize("text", [
    "四千零七十二元", "两万零三百六十一元", "六十岁零三个月", "一百零五", "百分之六十", "三四五个", "一个月", "十二个月算一年",
    "他六十一岁零三个月", "五六年", "一千三百五十多元", "第一份", "一九", "三百零五", "提前三个月", "", "一二三年"])
def test_quantities_stay_in_words(text):
    assert cards.written(text) == text


def test_no_digit_is_left_as_a_word_in_the_shipped_guide():
    written = "".join(text for node in guide().nodes.values() for text in sentences(node))
    assert not set(written) & set("幺〇")


# --- what is on a card ----------------------------------------------------------------------------

def test_a_card_names_what_to_bring_and_whom_to_call_in_the_words_of_the_guide():
    card = cards.card(guide(), "m1_counter")
    assert card.bring == ("带上您的身份证，再带一张复印件。",)
    assert card.calls == (cards.Call("12333", "养老和社保卡的事"),)
    assert cards.card(guide(), "m5_fraud").calls[-1] == cards.Call("110", "")
    assert cards.card(guide(), "m1p_natl").calls == (), "掌上12333 is the name of an app"
    assert cards.card(guide(), "m1_kiosk").bring == (), "没带身份证 is not to be brought"


def test_nothing_is_named_that_the_node_does_not_say():
    for node in guide().nodes.values():
        card = cards.card(guide(), node.id)
        assert set(card.bring) <= set(sentences(node))
        assert all(call.number in "".join(sentences(node)) for call in card.calls)


def test_the_day_is_the_newest_on_which_a_fact_of_the_card_was_checked():
    used = {f for s in guide().nodes["m1_kiosk"].say for f in s.facts}
    newest = dataclasses.replace(guide().facts[sorted(used)[0]], checked=datetime.date(2031, 2, 3))
    facts = dict(guide().facts) | {newest.id: newest}
    assert cards.card(dataclasses.replace(guide(), facts=facts), "m1_kiosk").checked == "2031年2月3日"
    bare = changed("m1_kiosk", say=(Sentence("好。"),), steps=())
    assert cards.card(bare, "m1_kiosk").checked == ""


def test_what_counts_in_the_end_is_said_only_if_the_guide_says_so():
    assert cards.card(guide(), "m2").ground == "要办事，以窗口和电话里的答复为准。"
    assert cards.card(changed("m5_about", say=(Sentence("好。"),)), "m2").ground == ""


def test_a_wrong_node_size_or_address_is_refused():
    with pytest.raises(NotFound):
        cards.card_pdf(guide(), "nothing", "a4", address("nothing"))
    for size in ("a3", "A4", "", "a4\n"):
        with pytest.raises(BadRequest):
            cards.card_pdf(guide(), "m1", size, address("m1"))
    for wrong in ("", "http://x/" + "y" * 4000):
        with pytest.raises(BadRequest):
            cards.card_pdf(guide(), "m1", "a4", wrong)


# --- the PDF --------------------------------------------------------------------------------------

@pytest.mark.parametrize("node_id, size", CARDS)
def test_all_of_a_node_is_on_its_card_in_order_and_no_sentence_is_cut_between_pages(node_id, size):
    node, texts = guide().nodes[node_id], [squeezed(page.text) for page in pages(node_id, size)]
    page, at = 0, 0
    for text in (cards.written(node.title), *map(squeezed, sentences(node))):
        while (found := texts[page].find(squeezed(text), at)) < 0:
            page, at = page + 1, 0
            assert page < len(texts), text
        at = found + len(squeezed(text))
    for option in node.options:
        assert squeezed(guide().nodes[option.node].title) in "".join(texts)
    for number in range(1, len(node.steps) + 1):
        assert str(number) in "".join(texts)
    for i, text in enumerate(texts, start=1):
        assert f"第{i}页，共{len(texts)}页" in text and cards.WORDS["name"] in text
    assert len(texts) <= 3


@pytest.mark.parametrize("node_id, size", CARDS)
def test_a_card_has_its_size_large_type_and_its_own_fonts(node_id, size):
    for page in pages(node_id, size):
        assert page.size_pt == pytest.approx([mm * MM for mm in SIZES_MM[size]], abs=0.5)
    found = [piece for page in pages(node_id, size) for piece in page.pieces]
    assert found and all(embedded for _, _, embedded in found)
    sizes = {pt for pt, text, _ in found if text.strip()}
    assert min(sizes - {FOOTER_PT}) >= SMALLEST_PT
    said = squeezed("".join(text for pt, text, _ in found if pt == cards.TEXT_PT == 22))
    assert all(squeezed(text) in said for text in sentences(guide().nodes[node_id]))
    assert len(pdf(node_id, size)) < 300_000


@pytest.mark.parametrize("size", cards.SIZES)
@pytest.mark.parametrize("node_id", ["m1_counter", "m1_phone", "m2_years"])
def test_the_code_leads_to_the_page_of_the_node(node_id, size):
    with contextlib.closing(pypdfium2.PdfDocument(pdf(node_id, size))) as document:
        picture = document[len(document) - 1].render(scale=150 / 72, grayscale=True).to_numpy().squeeze()
    codes = zxingcpp.read_barcodes(picture)
    assert [code.text for code in codes] == [address(node_id)]


def test_no_line_begins_with_a_closing_mark():
    for node_id, size in CARDS:
        for page in pages(node_id, size):
            for line in page.text.splitlines():
                assert not re.match("[，。、；：？！]", line), (node_id, size, line)


def test_a_number_is_not_cut_between_lines():
    # One of these clauses ends at the edge of a line whatever the width of the line is.
    said = [Sentence("字" * n + "打幺二三三三。") for n in range(8, 30)]
    made = cards.card_pdf(changed("m1_kiosk", say=tuple(said)), "m1_kiosk", "a5", address("m1_kiosk"))
    assert sum(re.sub(r"[ \ufffe]", "", page.text).count("12333。") for page in read(made)) == len(said)


def test_a_long_node_goes_on_overleaf_without_a_cut_sentence_or_a_lonely_title():
    clauses = "话讲得比较长，看看它会不会被切成两半，" * 3
    long = [Sentence(f"这是第{n}句，{clauses}就讲到这里。") for n in range(100, 160)]
    steps = Step("a", tuple(long[20:45])), Step("b", tuple(long[45:]))
    edited = changed("m1_kiosk", say=tuple(long[:20]), steps=steps)
    texts = [squeezed(page.text) for page in read(cards.card_pdf(edited, "m1_kiosk", "a5", address("m1_kiosk")))]
    assert len(texts) > 15, "a group that is longer than a page goes on overleaf"
    assert all(any(sentence.text in text for text in texts) for sentence in long)
    assert edited.nodes["m1_kiosk"].title in texts[0] and long[0].text in texts[0]


def test_a_sentence_is_never_taken_for_markup():
    text = '#panic("x") $a$ *b* _c_ \\ `d` <e> @f [g] "h" // i'
    made = cards.card_pdf(changed("m1_kiosk", say=(Sentence(text),)), "m1_kiosk", "a4", address("m1_kiosk"))
    assert squeezed(text) in squeezed(read(made)[0].text)


def test_a_character_that_the_font_lacks_is_an_error_and_not_a_box():
    with pytest.raises(cards.CardError):
        cards.card_pdf(changed("m1_kiosk", say=(Sentence("好\U0001f600。"),)), "m1_kiosk", "a4", address("m1_kiosk"))


@pytest.mark.parametrize("package, named", [(cards.FONT_PACKAGE, "manimgx-fonts-cjk"), ("typst", "typst")])
def test_a_missing_package_is_named(package, named, monkeypatch):
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *a: None if name == package else find(name, *a))
    monkeypatch.setitem(sys.modules, package, None)
    cards._font_folder.cache_clear()
    with pytest.raises(cards.CardError, match=f"install {named}"):
        cards.card_pdf(guide(), "m1", "a4", address("m1"))


def test_the_same_card_is_the_same_file_and_is_made_at_once():
    began = time.perf_counter()
    assert cards.card_pdf(guide(), "m4_age", "a4", address("m4_age")) == pdf("m4_age", "a4")
    assert time.perf_counter() - began < 1.5
