"""Reads a page of ours as a strict browser would."""

import base64
import re
from html.parser import HTMLParser


class Page(HTMLParser):
    """Tags that stay open, ids, links within the page, and the pictures in it."""

    VOID = ("meta", "img", "br", "hr", "input", "link")

    def __init__(self):
        super().__init__()
        self.open, self.ids, self.targets, self.links, self.pictures = [], [], [], [], []
        self.rows: list[list[str]] = []

    @classmethod
    def of(cls, text):
        """The page, once nothing stays open and every reference leads to the page itself."""
        page = cls()
        page.feed(text)
        page.close()
        assert page.open == []
        assert sorted(page.ids) == sorted(set(page.ids))
        assert set(page.targets) <= set(page.ids)
        without_pictures = re.sub(r"base64,[A-Za-z0-9+/=]+", "", text)
        assert not re.search(r"https?:|url\(|@import", without_pictures)
        return page

    def handle_starttag(self, tag, attributes):
        assert tag not in ("script", "link", "iframe", "object")
        found = dict(attributes)
        assert not {"srcset", "action", "data", "onclick", "onload"} & found.keys()
        if "id" in found:
            self.ids.append(found["id"])
        if "href" in found:
            assert found["href"].startswith("#")
            self.targets.append(found["href"][1:])
        if "src" in found:
            kind, data = found["src"].split(",")
            assert kind == "data:image/png;base64"
            self.pictures.append(base64.b64decode(data, validate=True))
        if tag == "tr":
            self.rows.append([])
        if tag in ("td", "th"):
            self.rows[-1].append("")
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_data(self, data):
        if self.open and self.open[-1] == "a":
            self.links.append(data)
        if "td" in self.open or "th" in self.open:
            self.rows[-1][-1] += (" " if self.open[-1] == "small" else "") + data

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
