"""The session that the README shows is played: each line does what the picture says, also after a kill."""

from __future__ import annotations

from pathlib import Path

from hack.cast.recording import HURRIED, recorded
from hack.cast.session import ANSWER


def test_the_session_of_the_readme_goes_as_it_is_shown(tmp_path: Path) -> None:
    frames = recorded(tmp_path, HURRIED)
    texts = ["\n".join("".join(run.text for run in line) for line in frame.lines) for frame in frames]
    assert any("AwaitingHumanApproval" in text for text in texts)
    assert any(ANSWER in text for text in texts)
    assert "FinalAnswer" in texts[-1]
