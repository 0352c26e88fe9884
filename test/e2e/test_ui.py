"""`kubechain ui` as a person has it: a run followed in the browser, a call approved, an API server that restarts."""

from __future__ import annotations

import http.client
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, Page

from test.browser import PHONE, a_browser, complaints
from test.e2e import processes
from test.e2e.cluster import Cluster, Namespace
from test.e2e.manifests import a_builtin, a_task, an_agent, refs
from test.e2e.model import Ask, Script, asks
from test.e2e.processes import KUBECHAIN, Program
from test.e2e.test_asking import CALL, an_asking_agent, tool_answers
from test.e2e.test_eliciting import a_server, asked

RUN = "hello-world-task-1"


class Ui:
    """The command, running; `address` opens the page once."""

    def __init__(self, kubeconfig: Path, *more: str) -> None:
        command = [KUBECHAIN, "ui", "--no-browser", f"--kubeconfig={kubeconfig}", *more]
        self._popen = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True)
        assert self._popen.stdout is not None
        self._out: IO[str] = self._popen.stdout
        found = re.search(r"http://127\.0\.0\.1:(\d+)/open\?token=\S+", self._out.readline())
        assert found is not None
        self.address, self.port = found[0], int(found[1])

    def close(self) -> None:
        self._popen.terminate()
        try:
            self._popen.wait(20)
        finally:
            self._popen.kill()
            self._out.close()

    def ask(self, method: str, path: str, **headers: str) -> tuple[int, dict[str, str]]:
        """The status and the headers that anybody is answered."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=20)
        try:
            connection.request(method, path, headers={name.replace("_", "-"): value for name, value in headers.items()})
            answer = connection.getresponse()
            answer.read()
            return answer.status, {name.lower(): value for name, value in answer.getheaders()}
        finally:
            connection.close()


@pytest.fixture
def ui(cluster: Cluster) -> Iterator[Ui]:
    made = Ui(cluster.kubeconfig)
    try:
        yield made
    finally:
        made.close()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with a_browser() as browser:
        yield browser


def opened(browser: Browser, ui: Ui) -> Page:
    page = browser.new_context().new_page()
    page.on("pageerror", lambda error: pytest.fail(str(error)))
    page.goto(ui.address)
    page.locator("#link", has_text="live").wait_for()
    return page


def test_a_run_is_followed_and_its_call_is_approved(
    browser: Browser, ui: Ui, namespace: Namespace, script: Script
) -> None:
    script.answers = [asks(Ask("add", {"a": 2, "b": 3}), content="<b>Let me see.</b>"), "It is five."]
    page = opened(browser, ui)
    namespace.apply(a_builtin("add", requiresApproval=True), an_agent(tools=refs("add")), a_task())
    row = page.locator(f'tr[data-namespace="{namespace.name}"]', has_text=RUN)
    row.get_by_text("Waits for a person").wait_for()
    page.get_by_label("Namespace").select_option(namespace.name)
    assert page.locator("#rows > tr:visible").count() == 1
    assert complaints(page) == []
    row.get_by_role("link", name=RUN).click()
    page.get_by_text("<b>Let me see.</b>").wait_for()
    page.locator("#link", has_text="live").wait_for()
    assert complaints(page) == []
    page.set_viewport_size({"width": PHONE["width"], "height": PHONE["height"]})
    assert page.evaluate("document.documentElement.scrollWidth") <= PHONE["width"]
    page.get_by_label("Comment").fill("By all means.")
    page.get_by_role("button", name="Approve", exact=True).click()
    page.locator("#head").get_by_text("It is five.").wait_for()
    request = namespace.get("humanrequest", f"{RUN}-t0-c0")
    decision = request["spec"]["decision"]
    assert (decision["choice"], decision["comment"]) == ("Approve", "By all means.")
    assert decision["by"], "the user of the kubeconfig"
    page.context.close()


def test_a_rejection_sends_its_comment(browser: Browser, ui: Ui, namespace: Namespace, script: Script) -> None:
    script.answers = [asks(Ask("add", {"a": 2, "b": 3})), "I leave it."]
    namespace.apply(a_builtin("add", requiresApproval=True), an_agent(tools=refs("add")), a_task())
    namespace.wait(f"taskruntoolcall/{RUN}-t0-c0", "{.status.phase}", "AwaitingHumanApproval")
    page = opened(browser, ui)
    page.goto(f"http://127.0.0.1:{ui.port}/runs/{namespace.name}/{RUN}")
    page.get_by_label("Comment").fill("Not today.")
    page.get_by_role("button", name="Reject").click()
    page.locator("#head").get_by_text("I leave it.").wait_for()
    page.get_by_text("“Not today.”").first.wait_for()
    page.context.close()


def of_run(browser: Browser, ui: Ui, namespace: Namespace) -> Page:
    """The page of the run."""
    page = opened(browser, ui)
    page.goto(f"http://127.0.0.1:{ui.port}/runs/{namespace.name}/{RUN}")
    page.locator("#link", has_text="live").wait_for()
    return page


def test_a_question_is_answered_on_the_page(browser: Browser, ui: Ui, namespace: Namespace, script: Script) -> None:
    namespace.apply(*an_asking_agent(script))
    namespace.wait(f"hr/{CALL}", "{.status.phase}", "Open")
    page = of_run(browser, ui, namespace)
    page.get_by_text("Which region?").first.wait_for()
    assert complaints(page) == []
    page.get_by_role("textbox", name="Answer").fill("eu-west-1")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.locator("#head").get_by_text("Done.").wait_for()
    assert tool_answers(namespace.get("tr", RUN)) == ["eu-west-1"]
    page.context.close()


def test_two_forms_are_filled_in_on_the_page(browser: Browser, ui: Ui, namespace: Namespace, script: Script) -> None:
    asked(namespace, script, a_server("asking"), "ship", item="a lamp")
    page = of_run(browser, ui, namespace)
    page.get_by_text("Where shall a lamp go?").first.wait_for()
    assert complaints(page) == []
    page.get_by_role("button", name="Answer", exact=True).click()
    assert page.locator("input:invalid").count() == 1, "the browser asks for what is missing"
    page.get_by_label("street").fill("Main St")
    page.get_by_role("button", name="Answer", exact=True).click()
    page.get_by_text("Really to Main St?").first.wait_for()
    page.get_by_label("sure").check()
    page.get_by_role("button", name="Answer", exact=True).click()
    page.locator("#head").get_by_text("Done.").wait_for()
    assert tool_answers(namespace.get("tr", RUN)) == ["a lamp to Main St, express=False, sure=True"]
    page.context.close()


@pytest.mark.parametrize(
    ("method", "path", "headers"),
    [
        pytest.param("GET", "/", {}, id="without the cookie"),
        pytest.param("GET", "/", {"Host": "evil.example"}, id="under another name"),
        pytest.param("GET", "/events", {"Origin": "https://evil.example"}, id="from another origin"),
        pytest.param("GET", "/open?token=guessed", {}, id="with a guessed token"),
        pytest.param("GET", "/page.css", {"Sec_Fetch_Site": "cross-site"}, id="as a resource of another site"),
        pytest.param("POST", "/decide/default/x", {}, id="a form without an origin"),
    ],
)
def test_another_site_cannot_talk_to_it(ui: Ui, method: str, path: str, headers: dict[str, str]) -> None:
    status, answered = ui.ask(method, path, **headers)
    assert status == 403
    assert answered["content-security-policy"].startswith("default-src 'none'")
    assert "access-control-allow-origin" not in answered


def test_the_address_opens_the_page_once(ui: Ui) -> None:
    path = ui.address.partition(str(ui.port))[2]
    status, headers = ui.ask("GET", path)
    assert (status, headers["location"]) == (303, "/")
    assert "HttpOnly" in headers["set-cookie"]
    assert "SameSite=strict" in headers["set-cookie"]
    cookie = headers["set-cookie"].partition(";")[0]
    assert ui.ask("GET", path)[0] == 403
    assert ui.ask("GET", "/", Cookie=cookie)[0] == 200
    assert ui.ask("GET", "/", Cookie=cookie, Host="evil.example")[0] == 403
    assert ui.ask("GET", "/", Cookie=cookie, Sec_Fetch_Site="cross-site")[0] == 403
    assert ui.ask("POST", "/decide/default/x", Cookie=cookie, Origin="https://evil.example")[0] == 403
    own = f"http://127.0.0.1:{ui.port}"
    assert ui.ask("POST", "/decide/default/x", Cookie=cookie, Origin=own)[0] == 403, "no token of a form"


def test_it_lives_through_a_restart_of_the_api_server(browser: Browser, tmp_path: Path) -> None:
    kubeconfig, port = tmp_path / "kubeconfig", processes.free_port()
    arguments = [
        "dev",
        "--no-manager",
        f"--kubeconfig={kubeconfig}",
        f"--port={port}",
        f"--data-dir={tmp_path / 'data'}",
    ]
    plane = Program(arguments, tmp_path / "plane.log", f"https://127.0.0.1:{port}/readyz")
    plane.start()
    ui = Ui(kubeconfig)
    try:
        page = opened(browser, ui)
        page.get_by_text("There is no run yet").wait_for()
        plane.stop()
        page.locator("#link", has_text="reconnecting").wait_for()
        plane.start()
        page.locator("#link", has_text=re.compile("^live$")).wait_for(timeout=60_000)
        page.context.close()
    finally:
        ui.close()
        plane.kill()
