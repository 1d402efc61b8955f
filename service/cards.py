"""Cards: a node of the guide on paper, for somebody who takes it along.

``card`` selects what of a node belongs on paper and ``card_pdf`` sets it. Only the guide's own
content is on a card: what the dialog says around it (press one, say next) makes no sense there.
"""

from __future__ import annotations

import datetime
import functools
import importlib.util
import io
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Iterable

import segno

from service.core import wording
from service.core.model import ABOUT, Guide, Node, Sentence
from service.errors import BadRequest, GuideError, NotFound

SIZES = ("a4", "a5")
FONT_PACKAGE, FONT_FILE, FONT = "manimgx_fonts_cjk", "NotoSansCJK-VF.otf.ttc", "Noto Sans CJK SC"
TEXT_PT = 22
LONGEST_ADDRESS = 200
"""Bytes; the code of a longer one has modules too fine for an old phone."""
HOTLINES = "m5_hotline"
"""Node that says what each number is for."""
WORDS = {"name": "衡阳社保语音指南", "options": "可以问的", "bring": "要带什么", "calls": "可以打的电话",
         "scan": "扫码看这一页", "checked": "{date}核对"}
"""What is only on paper."""

_SPOKEN_RUN = re.compile("(?<![十百千万亿两])[〇零幺一二三四五六七八九]{3,}(?![十百千万亿])")
_MONTHS = {wording.number(n): n for n in range(1, 13)}
_MONTH = re.compile(r"(?<=\d年)[一二三四五六七八九十]{1,2}(?=月)")
_TO_DIGITS = str.maketrans("〇零幺一二三四五六七八九", "001123456789")
# Behind 打 alone, because 掌上12333 is the name of an app.
_CALL = re.compile(r"(?<=打)\d{3,}")
_BRING = re.compile("(?<![没不])带")
_THINGS = re.compile("身份证|复印件|委托书")


class CardError(GuideError):
    """A card could not be set: a package of it is missing, or its font lacks a character."""

    code = "card_failed"


@dataclass(frozen=True)
class Call:
    """A number to call."""

    number: str
    about: str
    """What it is for, in the guide's own words; empty if the guide does not say."""


@dataclass(frozen=True)
class Card:
    """What of a node is put on paper or on a page to be read. All texts are as written, not as spoken."""

    title: str
    say: tuple[str, ...]
    steps: tuple[tuple[str, ...], ...]
    more: tuple[tuple[str, ...], ...]
    options: tuple[tuple[str, str], ...]
    """(node, title) of what it leads to."""
    bring: tuple[str, ...]
    """Those of the sentences that tell what to take along."""
    calls: tuple[Call, ...]
    checked: str
    """The last day on which a fact of this card was checked; empty if it rests on none."""
    ground: str
    """The guide's own sentence on what counts in the end; empty if it has none."""


def written(text: str) -> str:
    """Numbers that are spoken digit by digit as digits: 幺二三三三 -> 12333, 二〇二五年三月 -> 2025年3月.

    Quantities (两万零三百六十一, 三四五个) stay: these runs have no units, and are of five digits or
    more, hold a 〇, 零 or 幺, or are a year.
    """
    def digits(run: re.Match) -> str:
        said = run.group()
        is_year = len(said) == 4 and text[run.end():run.end() + 1] == "年"
        return said.translate(_TO_DIGITS) if len(said) >= 5 or is_year or set(said) & set("〇零幺") else said
    text = _SPOKEN_RUN.sub(digits, text)
    return _MONTH.sub(lambda month: str(_MONTHS.get(month.group(), month.group())), text)


def pieces(text: str) -> list[list[tuple[str, bool]]]:
    """A written text clause by clause, each in pieces, each of these with whether it is a number to call."""
    return [_pieces(clause) for clause in wording.clauses(text)]


def _pieces(clause: str) -> list[tuple[str, bool]]:
    found, at = [], 0
    for call in _CALL.finditer(clause):
        found += [(clause[at:call.start()], False), (call.group(), True)]
        at = call.end()
    return [(piece, is_call) for piece, is_call in (*found, (clause[at:], False)) if piece]


def card(guide: Guide, node_id: str) -> Card:
    """The card of a node; NotFound if the guide has no such node."""
    node = guide.nodes.get(node_id)
    if node is None:
        # Without the id: it may be anything that somebody typed as an address.
        raise NotFound("the guide has no such node")
    said = _sentences(node)
    texts = [written(s.text) for s in said]
    return Card(
        written(node.title), _written(node.say), tuple(_written(step.sentences) for step in node.steps),
        tuple(_written(part) for part in node.more),
        tuple((option.node, written(guide.nodes[option.node].title)) for option in node.options),
        tuple(dict.fromkeys(t for t in texts if _BRING.search(t) and _THINGS.search(t))),
        tuple(Call(n, _about(guide, n)) for n in dict.fromkeys(n for t in texts for n in _CALL.findall(t))),
        _checked(guide, said), _ground(guide))


def card_pdf(guide: Guide, node_id: str, size: str, address: str) -> bytes:
    """A node as a PDF of that size, with a QR code of the address of its page.

    NotFound for an unknown node, BadRequest for another size or an address that no code of this size can hold,
    CardError if it cannot be set.
    """
    if size not in SIZES:
        raise BadRequest(f"the size of a card is one of {', '.join(SIZES)}")
    shown = card(guide, node_id)
    return _typeset({
        "size": size, "text": TEXT_PT, "font": FONT, "words": WORDS, "title": shown.title, "say": _clauses(shown.say),
        "steps": [_clauses(step) for step in shown.steps], "more": [_clauses(part) for part in shown.more],
        "options": [title for _, title in shown.options], "bring": _clauses(shown.bring),
        "calls": [[c.number, c.about] for c in shown.calls],
        "checked": shown.checked and WORDS["checked"].format(date=shown.checked), "ground": shown.ground,
        "code": _qr_svg(address)})


def _sentences(node: Node) -> list[Sentence]:
    return [*node.say, *(s for step in node.steps for s in step.sentences), *(s for part in node.more for s in part)]


def _written(sentences: Iterable[Sentence]) -> tuple[str, ...]:
    return tuple(written(s.text) for s in sentences)


def _clauses(texts: Iterable[str]) -> list[tuple[str, ...]]:
    return [wording.clauses(text) for text in texts]


def _about(guide: Guide, number: str) -> str:
    if HOTLINES in guide.nodes:
        for text in _written(guide.nodes[HOTLINES].say):
            if number in _CALL.findall(text):
                return wording.clauses(text)[0].rstrip("，")
    return ""


def _checked(guide: Guide, sentences: Iterable[Sentence]) -> str:
    days = [guide.facts[fact].checked for s in sentences for fact in s.facts if fact in guide.facts]
    return _day(max(days)) if days else ""


def _day(day: datetime.date) -> str:
    return f"{day.year}年{day.month}月{day.day}日"


def _ground(guide: Guide) -> str:
    if ABOUT not in guide.nodes:
        return ""
    return next((t for t in _written(guide.nodes[ABOUT].say) if "为准" in t), "")


# --- setting it -----------------------------------------------------------------------------------

def _qr_svg(address: str) -> str:
    """The code with the quiet zone that readers need; it survives a stain (15 % of it may be lost)."""
    if not 0 < len(address.encode()) <= LONGEST_ADDRESS:
        raise BadRequest(f"an address for a QR code has 1 to {LONGEST_ADDRESS} bytes")
    code = segno.make(address, error="m", micro=False, boost_error=False)
    out = io.BytesIO()
    code.save(out, kind="svg", border=4, dark="#000", light="#fff")
    return out.getvalue().decode()


@functools.cache
def _font_folder() -> Path:
    found = importlib.util.find_spec(FONT_PACKAGE)
    folder = Path(found.submodule_search_locations[0]) if found else None
    if folder is None or not (folder / FONT_FILE).is_file():
        raise CardError(f"the font of the cards is missing: install {FONT_PACKAGE.replace('_', '-')}")
    return folder


def _typeset(content: dict) -> bytes:
    """The PDF of the content.

    The content is handed over as data, so no sentence can be taken for markup. PDF/UA is a form that
    a screen reader can follow, and refuses a character that the font lacks instead of a box.
    """
    folder = _font_folder()
    try:
        # Late: the typesetter is large, and a service that prints nothing does without it.
        import typst
    except ImportError as e:
        raise CardError("the typesetter of the cards is missing: install typst") from e
    try:
        pdf, warnings = typst.compile_with_warnings(
            _LAYOUT.encode(), font_paths=[str(folder)], ignore_system_fonts=True, pdf_standards=["ua-1"],
            sys_inputs={"card": json.dumps(content, ensure_ascii=False)})
    except typst.TypstError as e:
        raise CardError(f"the card could not be set: {e}") from e
    if warnings:
        raise CardError(f"the card would not look right: {warnings[0]}")
    return pdf


_LAYOUT = r"""
#let card = json(bytes(sys.inputs.card))
#let words = card.words
#let small = card.size == "a5"
#let side = if small { 11mm } else { 18mm }
#let step-wide = if small { 13mm } else { 16mm }

#set document(title: card.title, author: words.name, date: none)
#set page(
  paper: card.size,
  margin: (x: side, top: if small { 10mm } else { 14mm }, bottom: if small { 19mm } else { 21mm }),
  footer-descent: 20%,
  footer: context {
    set text(size: 12pt)
    set par(leading: 0.4em, spacing: 0.4em)
    line(length: 100%, stroke: 0.8pt)
    let at = counter(page).get().first()
    let all = counter(page).final().first()
    grid(columns: (1fr, auto), row-gutter: 0.45em,
      [#words.name#if card.checked != "" [　#card.checked]],
      [第 #at 页，共 #all 页],
      ..if card.ground != "" { (grid.cell(colspan: 2, card.ground),) })
  })
#set text(font: card.font, size: card.text * 1pt, weight: 450, lang: "zh", region: "cn", fallback: false,
  fill: black, top-edge: "ascender", bottom-edge: "descender")
#set par(leading: 0.06em, spacing: 0.42em, justify: false)
#set block(spacing: 0.42em)

// A sentence is on one page, and its lines end where a reader takes breath: a clause that fits is whole, and
// of one that does not fit no single character is left over, nor is a number cut. The mark is outside of the box,
// where it is spaced.
#let clause(words, room) = {
  let all = words.clusters()
  let cut = if measure(words).width <= room.width { 0 } else { calc.max(0, all.len() - 4) }
  while cut > 0 and (all.at(cut - 1) + all.at(cut)).match(regex("^[0-9A-Za-z]{2}$")) != none { cut -= 1 }
  let kept = all.slice(cut).join()
  all.slice(0, cut).join()
  box(kept.trim(regex("[，、；：。？！]"), at: end))
  kept.match(regex("[，、；：。？！]*$")).text
}
#let sentence(clauses) = block(breakable: false, layout(room => clauses.map(words => clause(words, room)).join()))
// A short group is on one page too; a longer one may break between its sentences.
#let group(sentences, body) = block(breakable: sentences.flatten().join().clusters().len() > 150, body)
#let heading-like(words) = block(sticky: true, below: 0.25em, text(weight: 800, words))

#show heading: it => block(sticky: true, below: 0.35em, text(size: if small { 30pt } else { 38pt }, weight: 800,
  it.body))
= #card.title
#line(length: 100%, stroke: 2.5pt)

#for words in card.say { sentence(words) }

#if card.steps.len() > 0 { v(0.75em, weak: true) }
#for (i, step) in card.steps.enumerate() {
  group(step, grid(columns: (step-wide, 1fr), column-gutter: 3mm, row-gutter: 0.3em,
    ..step.enumerate().map(((j, words)) => (
      if j == 0 { align(center, text(size: 34pt, weight: 900, bottom-edge: "baseline", top-edge: 0.82em,
        str(i + 1))) } else { [] },
      sentence(words))).flatten()))
  if i + 1 < card.steps.len() { line(start: (step-wide + 3mm, 0mm), length: 100% - step-wide - 3mm, stroke: 0.6pt) }
}

#for part in card.more {
  group(part, {
    line(length: 100%, stroke: 0.6pt)
    for words in part { sentence(words) }
  })
}

#if card.options.len() > 0 {
  v(0.75em, weak: true)
  heading-like(words.options)
  for title in card.options {
    block(breakable: false, grid(columns: (8mm, 1fr), align(center + horizon, square(size: 3mm, fill: black)), title))
  }
}

#let bring = if card.bring.len() > 0 {
  group(card.bring, block(width: 100%, stroke: 2pt, radius: 2mm, inset: 3mm, {
    heading-like(words.bring)
    for words in card.bring { sentence(words) }
  }))
}
#let calls = if card.calls.len() > 0 {
  heading-like(words.calls)
  for (number, about) in card.calls {
    block(breakable: false, above: 0.3em, {
      text(size: 34pt, weight: 900, number)
      if about != "" { block(above: 0pt, text(size: 18pt, about)) }
    })
  }
}
#let code = align(center, {
  block(image(bytes(card.code), format: "svg", width: if small { 32mm } else { 36mm }, alt: words.scan))
  block(above: 0.5mm, text(size: 16pt, words.scan))
})
// On the small page there is no room for sentences beside the code.
#v(0.6em, weak: true)
#if small { bring }
#block(breakable: false,
  grid(columns: (1fr, auto), column-gutter: 5mm, if small { calls } else { bring + calls }, code))
"""
