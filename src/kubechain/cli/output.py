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
        print(_yaml(value), end="")


def _yaml(value: object) -> str:
    """YAML in which a text of several lines stands as it is, as kubectl writes it."""
    import yaml

    class Dumper(yaml.SafeDumper):
        """Does not change the dumper of other code."""

    def text(dumper: yaml.SafeDumper, value: str) -> yaml.ScalarNode:
        return dumper.represent_scalar("tag:yaml.org,2002:str", value, style="|" if "\n" in value else None)  # pyright: ignore[reportUnknownMemberType]

    Dumper.add_representer(str, text)
    return yaml.dump(value, Dumper=Dumper, sort_keys=False, allow_unicode=takes_unicode(sys.stdout))


def print_name(singular: str, name: str) -> None:
    """Print the name of an object of ours, as kubectl takes it."""
    from kubechain.api.meta import GROUP

    print(f"{singular}.{GROUP}/{name}")
