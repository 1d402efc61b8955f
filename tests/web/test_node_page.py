"""The pages of single nodes: all of a node is there, it needs no script, and a wrong address is answered plainly."""

import html
import re
from types import SimpleNamespace

import pytest
from flask import Flask

from service import cards
from service.web.kiosk import register_headers
from service.web.pages import create_pages
from tests.support import guide


@pytest.fixture(scope="module")
def client():
    app = Flask("service.web")
    register_headers(app)
    app.register_blueprint(create_pages(SimpleNamespace(edition=SimpleNamespace(guide=guide()))))
    return app.test_client()


def words(page: str) -> str:
    """What can be read on a page, without space."""
    return re.sub(r"\s", "", html.unescape(re.sub("<[^>]*>", "", page.split("<body>")[1])))


@pytest.mark.parametrize("node_id", sorted(guide().nodes))
def test_every_sentence_of_a_node_is_on_its_page_in_order(client, node_id):
    answer, node = client.get(f"/nodes/{node_id}"), guide().nodes[node_id]
    assert (answer.status_code, answer.mimetype) == (200, "text/html")
    read, at = words(answer.text), 0
    for text in (node.title, *(s.text for s in (*node.say, *(s for x in node.steps for s in x.sentences),
                                                *(s for part in node.more for s in part)))):
        at = read.find(cards.written(text), at)
        assert at >= 0, text
    assert 'href="/"' in answer.text
    assert answer.text.count("<li>\n        <p>") == len(node.steps)
    for option in node.options:
        assert f'href="/nodes/{option.node}"' in answer.text


def test_numbers_are_links_that_call(client):
    page = client.get("/nodes/m5_hotline").text
    assert re.findall(r'href="tel:(\d+)"><b>', page) == ["12333", "12393", "12345"]
    assert '<span>打<a href="tel:12333">12333</a>。</span>' in page
    assert "tel:" not in client.get("/nodes/m1p_natl").text, "掌上12333 is the name of an app"


@pytest.mark.parametrize("node_id", ["m1_counter", "m1_phone", "nothing"])
def test_a_page_needs_no_script_and_nothing_that_the_policy_forbids(client, node_id):
    answer = client.get(f"/nodes/{node_id}")
    assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
    assert not re.search(r"<script|<style|\sstyle=|\son\w+=|javascript:|https?://", answer.text)
    for address in re.findall(r'href="(/static/[^"]+)"', answer.text):
        assert client.get(address).status_code == 200


@pytest.mark.parametrize("node_id", ["nothing", "<script>alert(1)</script>", "{{7*7}}49", "%2e%2e/x", "m1_counter%00",
                                     "打电话", "m1_counter/x"])
def test_an_unknown_page_says_so_plainly_and_repeats_nothing_of_the_address(client, node_id):
    answer = client.get(f"/nodes/{node_id}")
    assert (answer.status_code, answer.mimetype) == (404, "text/html")
    assert "没有这一页" in answer.text and 'href="/"' in answer.text
    assert "alert" not in answer.text and "49" not in answer.text and "打电话" not in answer.text


def test_the_type_is_large_and_its_contrast_high(client):
    base, style = (client.get(f"/static/{name}.css").text for name in ("base", "node"))
    sizes = [float(n) * (24 if unit == "rem" else 1) for n, unit in re.findall(r"font-size: ([\d.]+)(px|rem)", style)]
    assert sizes and min(sizes) >= 22
    colours = dict(re.findall(r"--([\w-]+): (#\w{6});", base))
    for ink, ground in (("ink", "ground"), ("ink", "paper"), ("soft-ink", "ground"), ("red", "ground"),
                        ("red", "paper"), ("on-red", "red")):
        light, dark = sorted((luminance(colours[ink]), luminance(colours[ground])), reverse=True)
        assert (light + 0.05) / (dark + 0.05) >= 7, (ink, ground)


def luminance(colour: str) -> float:
    """Relative luminance by WCAG 2."""
    channels = [int(colour[i:i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
