"""Mutates whole answers and streams of one dialect, and keeps those that reach new code of its decoder.

    python -m test.fuzz gemini --seconds 300

Whatever the bytes are, the outcome must be a completion that can be stored and sent back to the provider, or an
`LLMError`; anything else ends the search with the bytes in a file of `.fuzz`. It needs atheris, which
`make test-fuzz` installs: a development tool for Linux on x86-64, and no dependency of anything else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import orjson

atheris: Any = import_module("atheris")  # not a package of this project: a type checker need not find it

with atheris.instrument_imports(include=["kubechain.llm.dialects", "kubechain.llm.sse", "kubechain.llm.jsonlines"]):
    from kubechain.api.message import Message
    from kubechain.llm import errors
    from kubechain.llm.dialects.dialect import CompletionRequest
    from kubechain.llm.providers import row_for
    from test.llm.builders import a_reply, user
    from test.llm.dialects.test_streams_whole import SAID, SORTS, Sort

WHOLE, STREAM = b"w", b"s"
"""The first byte of an input says how the rest comes from the server."""

LONGEST_BYTES = 4_096

FOUND = Path(".fuzz")
"""Where the bytes of a failure are kept."""


def main() -> int:
    """Search for as long as it was told."""
    parser = argparse.ArgumentParser(prog="python -m test.fuzz", description=__doc__)
    parser.add_argument("sort", choices=sorted(SORTS))
    parser.add_argument("--seconds", type=int, default=300)
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        seeds, words = Path(folder) / "seeds", Path(folder) / "words"
        _write_seeds(SORTS[arguments.sort], seeds, words)
        limits = [f"-max_total_time={arguments.seconds}", f"-max_len={LONGEST_BYTES}", f"-dict={words}", "-timeout=10"]
        FOUND.mkdir(exist_ok=True)
        limits.append(f"-artifact_prefix={FOUND}/")
        atheris.Setup([sys.argv[0], *limits, str(seeds)], _judge_of(SORTS[arguments.sort]))
        atheris.Fuzz()
    return 0


def _write_seeds(sort: Sort, seeds: Path, words: Path) -> None:
    """The answers that the tests of streams use, and every word of them."""
    seeds.mkdir()
    found: set[str] = set()
    for number, answer in enumerate(SAID):
        body, stream = orjson.dumps(sort.body(answer)), sort.stream(answer)
        (seeds / f"whole-{number}").write_bytes(WHOLE + body)
        (seeds / f"stream-{number}").write_bytes(STREAM + stream)
        found.update(word for word in (body + stream).decode().split('"') if word.replace("_", "").isalnum())
    words.write_text("".join(f'"{word}"\n' for word in sorted(found)))


def _judge_of(sort: Sort) -> Callable[[bytes], None]:
    dialect = row_for(sort.target.provider).dialect_named(sort.target.dialect)
    asked = CompletionRequest(sort.target, [user("Hi")])

    def judge(data: bytes) -> None:
        way, body = data[:1], data[1:]
        try:
            if way == STREAM:
                reader = dialect.reader(200, {"content-type": sort.content_type})
                reader.feed(body)
                body = reader.body()
            completion = dialect.decode(asked, a_reply(200, body))
        except errors.LLMError:
            return
        stored = Message.from_wire(completion.message.to_json())
        assert stored.content.strip() or stored.tool_calls
        assert orjson.loads(dialect.encode(CompletionRequest(sort.target, [user("Hi"), stored])).body or b"")

    return judge


if __name__ == "__main__":
    sys.exit(main())
