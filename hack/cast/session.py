"""What the recorded session types, and the world in which it plays: a scripted model, and a forge with repositories."""

from __future__ import annotations

import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final

from test.e2e.model import Answer, Ask, Call, MockModel, asks
from test.e2e.servers.loopback import LoopbackHandler, LoopbackServer

TITLE: Final = "A run in KubeChain: it asks a person, the operator is killed, and it goes on"


@dataclass(frozen=True, slots=True)
class Step:
    """One line that is typed.

    Attributes:
        status: With which it ends.
        is_first: Whether the screen is cleared before it.
        shows: A part of what the screen shows afterwards.
    """

    line: str
    status: int = 0
    is_first: bool = False
    shows: str = ""


STEPS: Final = (
    Step("# An agent, its tools and a task are YAML.", is_first=True),
    Step("kubectl apply -f janitor.yaml", shows="task.kubechain.humanlayer.dev/tidy-up created"),
    Step("kubechain watch tidy-up-1 --wait-for-people=false", status=5, shows="kubechain approve tidy-up-1-t1-c0"),
    Step("# The operator dies. What waits is in the API server, not in its memory.", is_first=True),
    Step("kill -9 $OPERATOR"),
    Step("kubechain pending", shows='archive {"repository": "old-website"}'),
    Step("kubechain approve tidy-up-1-t1-c0 --comment 'Nobody uses it.'", shows="approved: archive"),
    Step("kubechain manager &>log & # A new one goes on where the run was."),
    Step("kubechain watch tidy-up-1", shows="I archived old-website"),
    Step("# Every step is an object, and kubectl is enough.", is_first=True),
    Step("kubectl get trtc", shows="tidy-up-1-t1-c0"),
    Step("kubechain logs tidy-up-1", shows="Approve by"),
)

MANIFEST: Final = """\
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: LLM
metadata:
  name: model
spec:
  provider: openai
  parameters:
    baseUrl: {model}
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Tool
metadata:
  name: list-repositories
spec:
  toolType: externalAPI
  description: List the repositories with the date of their last commit.
  execute:
    externalAPI:
      url: {forge}/repositories
      method: GET
  semantics: Idempotent
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Tool
metadata:
  name: archive
spec:
  toolType: externalAPI
  description: Archive a repository.
  requiresApproval: true
  parameters:
    type: object
    properties:
      repository:
        type: string
    required: [repository]
  execute:
    externalAPI:
      url: {forge}/archive
      method: POST
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Agent
metadata:
  name: janitor
spec:
  llmRef:
    name: model
  system: You tidy up. Look before you act.
  tools:
    - name: list-repositories
    - name: archive
---
apiVersion: kubechain.humanlayer.dev/v1alpha1
kind: Task
metadata:
  name: tidy-up
spec:
  agentRef:
    name: janitor
  message: Archive what nobody uses any more.
"""

ANSWER: Final = "I archived old-website; shop and billing are in use."

THINKING_SECONDS: Final = 1.2
"""Of the scripted model, so that one sees it at work."""

REPOSITORIES: Final = b'{"shop": "2026-11-28", "billing": "2026-11-20", "old-website": "2023-02-11"}'


def answered(call: Call, thinking_seconds: float) -> Answer:
    """What the model says: it looks, it acts, it answers."""
    time.sleep(thinking_seconds)
    match len(call.results):
        case 0:
            return asks(Ask("list-repositories", {}), content="First I look what there is.")
        case 1:
            archive = Ask("archive", {"repository": "old-website"})
            return asks(archive, content="Nobody has touched old-website since 2023.")
        case _:
            return ANSWER


class _Forge(LoopbackHandler):
    """Has repositories, and archives them."""

    def get(self) -> None:
        self.reply(200, REPOSITORIES, "application/json")

    def post(self, body: bytes) -> None:
        del body
        self.reply_json(200, {"archived": True})


@contextmanager
def a_world(*, thinking_seconds: float = THINKING_SECONDS) -> Generator[str]:
    """The model and the forge; gives the manifest that names them."""
    forge = LoopbackServer(_Forge)
    forge.start()
    try:
        with MockModel() as model:
            model["model"].respond = lambda call: answered(call, thinking_seconds)
            yield MANIFEST.format(model=model.base_url, forge=forge.url)
    finally:
        forge.stop()
