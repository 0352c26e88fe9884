"""Objects with expressions of Helm in them, and the text that they give.

An expression stands in the object as a mark, so that the object stays plain YAML until it is written.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

Object = dict[str, Any]

_MARK = re.compile(r"HELM-(\d+)-")
_WHOLE_LINE = re.compile(r"^( *)(?:- )?HELM-(\d+)-(?:: null)?$", re.MULTILINE)


class Drafts:
    """The expressions of one chart, by their marks."""

    def __init__(self) -> None:
        """Create it without expressions."""
        self._texts: list[str] = []

    def value(self, expression: str) -> str:
        """Return the mark of an expression that gives a scalar, or a part of one."""
        self._texts.append(f"{{{{ {expression} }}}}")
        return f"HELM-{len(self._texts) - 1}-"

    def block(self, expression: str, *, indent: int) -> str:
        """Return the mark of an expression that gives a map or list, to stand as the value of a key.

        Args:
            expression: What gives it as YAML.
            indent: Of its lines, in the template.
        """
        self._texts.append(f"{{{{- {expression} | nindent {indent} }}}}")
        return f"HELM-{len(self._texts) - 1}-"

    def lines(self, *lines: str) -> str:
        """Return the mark of whole lines: an element of a list, or a key whose value is None."""
        self._texts.append("\n".join(lines))
        return f"HELM-{len(self._texts) - 1}-"

    def text(self, document: Object) -> str:
        """Return one object as the text of a template."""
        dumped = yaml.safe_dump(document, sort_keys=False, width=4096, allow_unicode=True)
        # Braces of ours, such as those of an example in a description, are none of Helm's.
        dumped = dumped.replace("{{", '{{ "{{" }}')
        dumped = _WHOLE_LINE.sub(self._indented, dumped)
        return _MARK.sub(lambda found: self._texts[int(found[1])], dumped)

    def _indented(self, found: re.Match[str]) -> str:
        """Return lines at the place of their mark; a line of control stays at the left, where it is seen as one."""
        lines = self._texts[int(found[2])].split("\n")
        return "\n".join(line if line.startswith("{{-") else found[1] + line for line in lines)


def only_if(condition: str | None, text: str) -> str:
    """Return an object that the chart has only under a condition."""
    return f"---\n{text}" if condition is None else f"{{{{- if {condition} }}}}\n---\n{text}{{{{- end }}}}\n"


def for_each(items: str, text: str) -> str:
    """Return an object that the chart has once for each item, which `.` is in it."""
    return f"{{{{- range {items} }}}}\n---\n{text}{{{{- end }}}}\n"
