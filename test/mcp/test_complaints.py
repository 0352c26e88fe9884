"""What a child's stderr says about why it does not work."""

from __future__ import annotations

import pytest

from kubechain.mcp.complaints import Complaints

NPM = """npm error code E404
npm error 404 Not Found - GET https://packages.example.com/@x%2fy - Not found
npm error 404
npm error 404  '@x/y@*' is not in this registry.
npm error 404
npm error 404 Note that you can also install from a
npm error A complete log of this run can be found in: /home/me/.npm/_logs/2026-debug-0.log"""

UV = """  \u00d7 No solution found when resolving tool dependencies:
  ╰─▶ Because mcp-server-nope was not found in the package registry and you
      require mcp-server-nope, we can conclude that your requirements are
      unsatisfiable.

hint: Pre-releases are available"""

NODE = """node:internal/modules/cjs/loader:1143
  throw err;
  ^

Error: Cannot find module '/x/y.js'
    at Module._resolveFilename (node:internal/modules/cjs/loader:1140:15)
    at x {
  code: 'MODULE_NOT_FOUND',
  requireStack: []
}

Node.js v20.20.2"""

PYTHON = """Traceback (most recent call last):
  File "/x.py", line 9, in <module>
    main("missing is required")
    ~~~~^^^^^^^^^^^^^^^^^^^^^^^
  File "/x.py", line 3, in main
    raise KeyError('API_KEY')
KeyError: 'API_KEY'"""

GROUP = """  + Exception Group Traceback (most recent call last):
  |   File "/x.py", line 1, in <module>
  |     anyio.run(main)
  | ExceptionGroup: unhandled errors in a TaskGroup (1 sub-exception)
  +-+---------------- 1 ----------------
    | Traceback (most recent call last):
    |   File "/x.py", line 2, in main
    |     raise ValueError
    | ValueError: no key
    +------------------------------------"""

USAGE = """npm warn deprecated inflight@1.0.6: This module is not supported
npm notice New major version of npm available!
Usage: mcp-server-filesystem <dir> [more]"""

COLOURS = (
    "\x1b[2K\x1b[1;31merror\x1b[0m: Failed to fetch: `https://packages.example.com/simple/x/`\n  Caused by: dns error"
)


@pytest.mark.parametrize(
    ("stderr", "says"),
    [
        pytest.param(NPM, "npm error 404 Not Found - GET https://packages.example.com/@x%2fy", id="npm, not its log"),
        pytest.param(UV, "No solution found when resolving tool dependencies: Because mcp", id="uv, not its hint"),
        pytest.param(NODE, "Error: Cannot find module '/x/y.js'", id="Node, not its version"),
        pytest.param(PYTHON, "KeyError: 'API_KEY'", id="Python, not its source"),
        pytest.param(GROUP, "ValueError: no key", id="a group of exceptions of Python"),
        pytest.param(USAGE, "Usage: mcp-server-filesystem <dir> [more]", id="how it is used, not npm's warnings"),
        pytest.param(
            COLOURS, "error: Failed to fetch: `https://packages.example.com/simple/x/` Caused by: dns", id="colours"
        ),
        pytest.param("Resolving\nLoading the index", "Resolving Loading the index", id="no error: the last lines"),
        pytest.param("", "", id="nothing"),
    ],
)
def test_the_first_error_comes_first(stderr: str, says: str) -> None:
    complaints = Complaints()
    for line in stderr.splitlines():
        complaints.add(line)
    assert complaints.text().startswith(says)
    assert bool(complaints.text()) == bool(says)


def test_an_endless_stderr_takes_no_memory() -> None:
    complaints = Complaints()
    for number in range(1000):
        complaints.add(f"error {number}: {'x' * 2000}")
    assert complaints.text().startswith("error 0")
    assert len(complaints.text()) <= 600
