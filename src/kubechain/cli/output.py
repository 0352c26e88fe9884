"""How results are printed: for people, as names, or as JSON or YAML for programs."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from kubechain.cli.terminal import takes_unicode

TEXT, NAME, JSON, YAML, WIDE = "text", "name", "json", "yaml", "wide"
FORMATS = (TEXT, NAME, JSON, YAML)


def add_output_flag(parser: argparse.ArgumentParser, formats: Sequence[str] = FORMATS) -> None:
    """Declare `-o`."""
    parser.add_argument("-o", "--output", choices=formats, default=TEXT, help="how to print (default: text)")


def print_data(value: object, output: str) -> None:
    """Print plain values as JSON or YAML."""
    if output == JSON:
        import json

        print(json.dumps(value, indent=2, ensure_ascii=not takes_unicode(sys.stdout)))
    else:
        import yaml

        print(yaml.safe_dump(value, sort_keys=False, allow_unicode=takes_unicode(sys.stdout)), end="")


def print_name(singular: str, name: str) -> None:
    """Print the name of an object of ours, as kubectl takes it."""
    from kubechain.api.meta import GROUP

    print(f"{singular}.{GROUP}/{name}")
