"""Mutates whole answers and streams of one dialect, and keeps those that reach new code of its decoder.

    python -m test.fuzz gemini --seconds 300

Whatever the bytes are, the outcome must be a completion that can be stored and sent back to the provider, or an
`LLMError` that a status can say and that does not have the key, and the same however a stream is cut; anything else
ends the search with the bytes in a file of `.fuzz`. It needs atheris, which `make test-fuzz` installs: a development
tool for Linux on x86-64, and no dependency of anything else.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from importlib import import_module
from itertools import chain
from pathlib import Path
from typing import Any

import orjson

atheris: Any = import_module("atheris")  # not a package of this project: a type checker need not find it

DECODERS = ("dialects", "sse", "jsonlines", "failures", "meanings", "provider_errors")
"""The modules whose branches guide the search."""

with atheris.instrument_imports(include=[f"kubechain.llm.{name}" for name in DECODERS]):
    from test.fuzz.judging import FAILURE, PIECES, STREAM, WHOLE, judge_of
    from test.fuzz.mutation import mutated
    from test.llm.builders import CANARY
    from test.llm.dialects.test_streams_whole import SAID, SORTS, Sort

FAILURES = (
    b'{"error":{"message":"no","type":"invalid_request_error","param":null,"code":"context_length_exceeded"}}',
    b'{"type":"error","error":{"type":"rate_limit_error","message":"try again in 7m12s"},"request_id":"req_1"}',
    b'[{"error":{"code":429,"status":"RESOURCE_EXHAUSTED","message":"q","details":[{"@type":"type.googleapis.com/'
    b'google.rpc.RetryInfo","retryDelay":"34.07s"},{"violations":[{"quotaId":"PerDay"}]}]}}]',
    b'{"error":"model is loading","estimated_time":20.5}',
    b'{"detail":[{"loc":["body","tools",0],"msg":"field required","type":"missing"}]}',
    b'{"error":{"message":"Provider returned error","code":429,"metadata":{"raw":"{\\"error\\":\\"busy\\"}"}}}',
    b'{"base_resp":{"status_code":1008,"status_msg":"insufficient balance"}}',
    b"<!doctype html><html><head><title>502 Bad Gateway</title></head></html>",
    b'"{\\"message\\":\\"twice\\"}"',
    b'{"error":{"message":"Incorrect API key provided: %s"}}' % CANARY.encode(),
    b"upstream connect error",
    b"",
)
"""What servers say of a failure, in the shapes that differ."""

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
        judge = judge_of(SORTS[arguments.sort])
        atheris.Setup([sys.argv[0], *limits, str(seeds)], judge, custom_mutator=_mutated)
        atheris.Fuzz()
    return 0


def _mutated(data: bytes, longest_bytes: int, seed: int) -> bytes:
    """Another input: its JSON is another one in three of four cases, else its bytes are."""
    if seed % 4 == 0 or len(data) < 3:
        return atheris.Mutate(data, longest_bytes)
    head = 2 if data[:1] in (PIECES, FAILURE) else 1
    is_stream = data[:1] in (STREAM, PIECES)
    return (data[:head] + mutated(data[head:], seed, is_stream=is_stream))[:longest_bytes]


def _write_seeds(sort: Sort, seeds: Path, words: Path) -> None:
    """The answers that the tests of streams use, and every word of them."""
    seeds.mkdir()
    bodies = [orjson.dumps(sort.body(answer)) for answer in SAID]
    streams = [sort.stream(answer) for answer in SAID]
    inputs = chain(
        (WHOLE + body for body in bodies),
        (STREAM + stream for stream in streams),
        (PIECES + bytes([number]) + stream for number, stream in enumerate(streams)),
        (FAILURE + bytes([number]) + body for number, body in enumerate((*FAILURES, *bodies))),
        (WHOLE + body for body in FAILURES),
    )
    for number, data in enumerate(inputs):
        (seeds / f"{number:03}").write_bytes(data)
    said = b"".join((*bodies, *streams, *FAILURES)).decode(errors="replace")
    found = {word for word in said.split('"') if word.replace("_", "").isalnum() and word.isascii()}
    words.write_text("".join(f'"{word}"\n' for word in sorted(found)))


if __name__ == "__main__":
    sys.exit(main())
