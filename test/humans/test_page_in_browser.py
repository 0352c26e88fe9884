"""The page of a link as a person has it: in Chromium, on a phone, light and dark, with and without a pointer."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, Literal

import pytest
from playwright.sync_api import Browser, Page, Route

from kubechain.api.approval import DecisionChoice
from kubechain.api.humanrequest import HumanRequestType, RequestContent
from kubechain.humans import page
from test.browser import PHONE, a_browser, complaints
from test.humans.messages import NOW, a_message, asked

FORM = {
    "type": "object",
    "properties": {
        "name": {"type": "string", "title": "Your name", "description": "As on the invitation", "minLength": 2},
        "guests": {"type": "integer", "description": "How many come along", "default": 2, "minimum": 0},
        "vegan": {"type": "boolean", "default": True},
        "colour": {"type": "string", "enum": ["red", "green"], "enumNames": ["Red", "Green"], "default": "green"},
        "mail": {"type": "string", "format": "email"},
        "days": {"type": "array", "items": {"type": "string", "enum": ["sat", "sun"]}, "default": ["sun"]},
    },
    "required": ["name"],
}

LONG = json.dumps({"repo": "old-website", "token": "x" * 400, "deep": {"a": {"b": {"c": {"d": [1, 2]}}}}})

C, T = DecisionChoice, HumanRequestType

PAGES: dict[str, tuple[RequestContent, DecisionChoice]] = {
    "an approval": (
        asked(
            arguments=LONG,
            tool="github__" + "delete_" * 25,
            expires_at=NOW + timedelta(days=7),
            requested_by="alice",
            choices=(C.APPROVE, C.REJECT, C.APPROVE_FOR_RUN),
        ),
        C.APPROVE,
    ),
    "a rejection": (asked(), C.REJECT),
    "a question": (asked(T.QUESTION, message="Which region?", arguments=None, choices=(C.ANSWER, C.REJECT)), C.ANSWER),
    "a form": (asked(T.FORM, message="Who comes?", schema_=FORM, choices=(C.ANSWER, C.REJECT)), C.ANSWER),
    "an address": (asked(T.URL, url="https://login.example.com/" + "x" * 300, choices=(C.DONE, C.REJECT)), C.DONE),
    "a budget": (asked(T.BUDGET, message="100 turns are used up.", choices=(C.APPROVE, C.REJECT)), C.APPROVE),
    "an outcome": (asked(T.OUTCOME, choices=(C.HAPPENED, C.DID_NOT_HAPPEN, C.UNKNOWN)), C.HAPPENED),
}


@dataclass  # Playwright sets an attribute on it
class Server:
    """Answers as the manager does, from one request, and keeps what was sent.

    Attributes:
        others: Addresses of anything else that the page loads.
    """

    content: RequestContent
    choice: DecisionChoice
    bodies: list[bytes] = field(default_factory=list[bytes])
    others: list[str] = field(default_factory=list[str])

    def reply(self, route: Route) -> None:
        message = a_message(self.content, **{one.value: f"other-{one.value}" for one in self.content.choices})
        text = page.question(message, self.choice)
        if route.request.method == "POST":
            body = route.request.post_data_buffer or b""
            self.bodies.append(body)
            text = page.notice("Recorded", "recorded.")
            try:
                page.answer_of(self.content, self.choice, body)
            except page.BadForm as error:
                text = page.question(message, self.choice, problem=str(error), body=body)
        elif route.request.url != ADDRESS:
            self.others.append(route.request.url)
        route.fulfill(status=200, body=text, headers={**page.HEADERS, "Content-Type": page.CONTENT_TYPE})

    def answer(self) -> tuple[str | None, Any]:
        """The comment and the answer of the only form that was sent."""
        [body] = self.bodies
        comment, answer = page.answer_of(self.content, self.choice, body)
        return comment, json.loads(answer) if answer is not None else None


ADDRESS = "https://kubechain.example.com/contact/decide/token"


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def opened(browser: Browser, server: Server, scheme: Literal["light", "dark"] = "light") -> Page:
    """The page on a phone."""
    context = browser.new_context(viewport={"width": PHONE["width"], "height": PHONE["height"]}, color_scheme=scheme)
    context.route("**/*", server.reply)
    opened = context.new_page()
    opened.on("console", lambda message: pytest.fail(message.text))
    opened.goto(ADDRESS)
    return opened


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("shown", PAGES.values(), ids=PAGES.keys())
def test_everybody_can_read_it_on_a_phone(
    browser: Browser, shown: tuple[RequestContent, DecisionChoice], scheme: Literal["light", "dark"]
) -> None:
    server = Server(*shown)
    seen = opened(browser, server, scheme)
    assert seen.evaluate("document.documentElement.scrollWidth") == PHONE["width"], "nothing is wider than the screen"
    size = seen.get_by_role("button").bounding_box()
    assert size is not None
    assert size["height"] >= 44, "a thumb finds the button"
    assert complaints(seen) == []
    assert server.others == [], "nothing else is loaded"
    seen.context.close()


def test_the_schemes_differ(browser: Browser) -> None:
    colours = {
        opened(browser, Server(*PAGES["an approval"]), scheme).evaluate("getComputedStyle(document.body).color")
        for scheme in ("light", "dark")
    }
    assert len(colours) == 2


def test_a_form_that_is_sent_as_it_comes_has_the_defaults_of_the_server(browser: Browser) -> None:
    server = Server(*PAGES["a form"])
    seen = opened(browser, server)
    seen.get_by_label("Your name").fill("Ann")
    seen.get_by_role("button", name="Answer").click()
    assert seen.get_by_role("heading", name="Recorded").is_visible()
    assert server.answer() == (None, {"name": "Ann", "guests": 2, "vegan": True, "colour": "green", "days": ["sun"]})


def test_a_form_is_filled_in_with_the_keyboard_alone(browser: Browser) -> None:
    server = Server(*PAGES["a form"])
    seen = opened(browser, server)
    keys = seen.keyboard
    typed = {
        "Your name": "Ann", "guests": "5", "vegan": " ", "colour": "R",
        "mail": "ann@example.com", "sat": " ", "sun": " ", "Comment": "By phone.",
    }  # fmt: skip
    for name, text in typed.items():
        keys.press("Tab")
        if text == " ":
            keys.press("Space")
        else:
            if name == "guests":
                keys.press("Control+A")
            keys.type(text)
    keys.press("Tab")
    assert seen.evaluate("document.activeElement.tagName") == "BUTTON"
    assert "3px" in seen.evaluate("getComputedStyle(document.activeElement).outline"), "it shows where the keyboard is"
    keys.press("Enter")
    seen.get_by_role("heading", name="Recorded").wait_for()
    fields = {"name": "Ann", "guests": 5, "vegan": False, "colour": "red", "mail": "ann@example.com", "days": ["sat"]}
    assert server.answer() == ("By phone.", fields)


@pytest.mark.parametrize(
    ("label", "text"),
    [
        pytest.param("Your name", "", id="a required field is empty"),
        pytest.param("Your name", "x", id="a text is too short"),
        pytest.param("guests", "-1", id="a number is too small"),
        pytest.param("mail", "nowhere", id="an address is none"),
    ],
)
def test_the_browser_sends_no_form_that_is_wrong(browser: Browser, label: str, text: str) -> None:
    server = Server(*PAGES["a form"])
    seen = opened(browser, server)
    seen.get_by_label("Your name").fill("Ann")
    seen.get_by_label(label).press_sequentially("x")  # a length is looked at only once somebody has typed
    seen.get_by_label(label).fill("")
    seen.get_by_label(label).press_sequentially(text)
    seen.get_by_role("button").click()
    assert seen.get_by_role("heading", name="Recorded").count() == 0
    assert server.bodies == []


def test_what_was_typed_is_kept_when_something_is_missing(browser: Browser) -> None:
    server = Server(*PAGES["a question"])
    seen = opened(browser, server)
    comment = "\n\nI look it up: <b>& soon"
    seen.get_by_label("Comment").fill(comment)
    seen.get_by_role("button").click()
    assert seen.get_by_role("alert").text_content() == "an answer is needed"
    assert seen.get_by_label("Comment").input_value() == comment
    assert complaints(seen) == []
    seen.get_by_label("Answer").fill("eu-west-1")
    seen.get_by_role("button").click()
    assert seen.get_by_role("heading", name="Recorded").is_visible()
