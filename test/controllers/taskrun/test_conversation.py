"""The conversation as the status shows it."""

from __future__ import annotations

from kubechain.api.message import Message
from kubechain.controllers.taskrun.conversation import Transcript


def test_previews_count_characters_and_stay_on_one_line() -> None:
    text = "日本語\n" * 30
    preview = Transcript((Message(role="user", content=text),)).preview
    assert len(preview) == 50
    assert "\n" not in preview
