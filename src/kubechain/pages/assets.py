"""The style and the script of the pages, and the policies under which a browser shows them."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

TEMPLATES = Path(__file__).with_name("templates")

STYLE = (TEMPLATES / "page.css").read_text(encoding="utf-8")

SEARCH = (TEMPLATES / "search.js").read_text(encoding="utf-8")
"""Search and filters: in the report and on the live page."""

LIVE = (TEMPLATES / "live.js").read_text(encoding="utf-8")
"""What the live page has in addition: it shows what the server sends."""


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


REPORT_POLICY = f"default-src 'none'; style-src {_hash(STYLE)}; script-src {_hash(SEARCH)}; base-uri 'none'"
"""Of the report, which has its style and script in it: nothing is loaded, nothing else runs."""

LIVE_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; connect-src 'self'; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'none'"
)
"""Of the live page, whose style and script are files of their own."""
