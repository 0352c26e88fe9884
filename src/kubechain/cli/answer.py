"""`kubechain answer`: answers what an agent asks a person, other than an approval."""

from __future__ import annotations

import argparse

from kubechain.cli import names
from kubechain.cli.clusterflags import add_cluster_flags

SUMMARY = "answer what an agent asks"
DESCRIPTION = """\
Answer a HumanRequest: a question, a form, a page to open, a limit that a run has reached, or a call of which nobody
knows whether it happened. `kubechain pending` lists what waits, `kubectl describe hr NAME` shows one in full.

The answer is recorded under the name that the API server knows you by, and it is made once. `kubechain approve` and
`kubechain reject` decide about tool calls.
"""
EPILOG = """\
examples:
  kubechain answer plan-1-t0-c0 --text 'The blue one.'
  kubechain answer plan-1-t0-c0 --text - < answer.txt
  kubechain answer book-1-t0-c0 --field name=Ada --field guests=2
  kubechain answer login-1-t0-c0 --done
  kubechain answer research-1-budget-1 --add turns=10,tokens=50000
  kubechain answer refund-1-t2-c0 --happened '{"refund": "r-17"}'
  kubechain answer refund-1-t2-c0 --did-not-happen
  kubechain answer plan-1-t0-c0 --reject --comment 'Decide that yourself.'
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command line."""
    names.completes(parser.add_argument("names", nargs=1, metavar="NAME", help="HumanRequest"), names.open_requests)
    add_cluster_flags(parser)
    parser.add_argument("--comment", default=None, metavar="TEXT", help="kept with the answer")
    how = parser.add_argument_group(
        "answers", "one of them, as the type of the request asks"
    ).add_mutually_exclusive_group()
    how.add_argument("--text", default=None, metavar="TEXT", help="Question: the answer; - reads standard input")
    how.add_argument(
        "--field",
        action="append",
        default=None,
        metavar="NAME=VALUE",
        help="Form: a field, by its type in the form; again for each field, and for each entry of a list",
    )
    how.add_argument("--json", default=None, metavar="JSON", help="Form: all fields; - reads standard input")
    how.add_argument("--done", action="store_true", help="Url: what the page is for is done")
    how.add_argument(
        "--add", default=None, metavar="LIMITS", help="Budget: what is added, such as turns=10,tokens=5000"
    )
    how.add_argument(
        "--happened", default=None, metavar="RESULT", help="Outcome: it did, with this result; - reads standard input"
    )
    how.add_argument(
        "--did-not-happen", action="store_true", help="Outcome: it did not, and the call may be carried out again"
    )
    how.add_argument("--unknown", action="store_true", help="Outcome: nobody can find out; the model is told so")
    how.add_argument("--reject", action="store_true", help="refuse to answer; the model reads the comment")


def run(options: argparse.Namespace) -> int:
    """Write the answer."""
    from kubechain.cli import answering, deciding

    return deciding.run(options, answering.drafter(options))
