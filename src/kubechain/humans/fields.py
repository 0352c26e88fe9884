"""The fields of a form: HTML with the defaults of the server filled in, and values once it is sent. Pure.

Forms are flat objects, as MCP servers send them: texts, numbers, truth values, choices and lists of choices.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

from kubechain.humans.wording import markup

Schema = Mapping[str, Any]
Sent = Mapping[str, Sequence[str]]
"""What a browser sent: the values of each field, by the names that `html` gave them."""

_INPUT_TYPES = {"email": "email", "uri": "url", "date": "date"}
"""Types of input by the format of a text; a date with a time has no input that gives its zone."""

_BOUNDS = {"minLength": "minlength", "maxLength": "maxlength", "minimum": "min", "maximum": "max"}


@dataclass(frozen=True, slots=True)
class Field:
    """One field, for a channel that shows it in its own way.

    Attributes:
        id: By which `values` finds what was sent.
        kind: What is chosen, ticked or typed.
        options: The values that can be chosen, each with its label.
        shown: The default, as it would be sent.
    """

    id: str
    title: str
    hint: str
    kind: Literal["text", "integer", "number", "boolean", "choice", "choices"]
    options: Sequence[tuple[str, str]]
    shown: Sequence[str]
    is_required: bool


class BadForm(Exception):
    """Raised when a form lacks what it needs; the message is for the person who filled it in."""


def html(schema: Schema | None, sent: Sent | None = None) -> str:
    """All fields of a form.

    Args:
        sent: What was sent before, where the form is shown again; None for the defaults of the schema.
    """
    needed = _required(schema)
    return "".join(
        _field(_id(number), name, one, _shown(one) if sent is None else sent.get(_id(number), ()), name in needed)
        for number, (name, one) in enumerate(_properties(schema).items())
    )


def described(schema: Schema | None) -> tuple[Field, ...]:
    """All fields of a form."""
    needed = _required(schema)
    return tuple(
        Field(
            id=_id(number),
            title=str(one.get("title") or name),
            hint=str(one.get("description") or ""),
            kind=_kind(one),
            options=_options(_items(one) if one.get("type") == "array" else one),
            shown=_shown(one),
            is_required=name in needed,
        )
        for number, (name, one) in enumerate(_properties(schema).items())
    )


def _kind(schema: Schema) -> Literal["text", "integer", "number", "boolean", "choice", "choices"]:
    match schema.get("type"):
        case "array":
            return "choices"
        case "boolean":
            return "boolean"
        case "integer" if not _options(schema):
            return "integer"
        case "number" if not _options(schema):
            return "number"
        case _:
            return "choice" if _options(schema) else "text"


def values(schema: Schema | None, sent: Sent) -> dict[str, Any]:
    """The object that a form gives, with the types of its schema. A field that was left empty is left out.

    Raises:
        BadForm: A field that is required is empty, or is no number where one is needed.
    """
    found: dict[str, Any] = {}
    for number, (name, one) in enumerate(_properties(schema).items()):
        given = [text.strip() for text in sent.get(_id(number), ()) if text.strip()]
        if one.get("type") == "boolean":
            found[name] = given == ["true"]
        elif one.get("type") == "array" and (given or "default" in one):
            found[name] = given
        elif given:
            found[name] = _value(name, given[-1], one)
        elif name in _required(schema):
            raise BadForm(f"{name}: a value is needed")
        elif "default" in one and one.get("type") == "string":
            found[name] = ""  # emptied by the person; a field that is left out would get the default again
    return found


def _field(id_: str, name: str, schema: Schema, shown: Sequence[str], is_required: bool) -> str:
    text = f"<span>{markup(str(schema.get('title') or name))}{' (required)' if is_required else ''}</span>"
    if schema.get("description"):
        text += f"<small>{markup(str(schema['description']))}</small>"
    if schema.get("type") == "array":
        boxes = "".join(_box(id_, value, markup(label), value in shown) for value, label in _options(_items(schema)))
        return f"<fieldset><legend>{text}</legend>{boxes}</fieldset>"
    if schema.get("type") == "boolean":
        return _box(id_, "true", text, "true" in shown)
    must = " required" if is_required else ""
    if options := _options(schema):
        choices = "".join(_option(value, label, value in shown) for value, label in options)
        return f'<label>{text}<select name="{id_}"{must}><option value=""></option>{choices}</select></label>'
    value = f' value="{markup(shown[-1])}"' if shown else ""
    return f'<label>{text}<input{_input_type(schema)} name="{id_}"{value}{must}></label>'


def _box(id_: str, value: str, label: str, is_ticked: bool) -> str:
    ticked = " checked" if is_ticked else ""
    return f'<label class="box"><input type="checkbox" name="{id_}" value="{markup(value)}"{ticked}> {label}</label>'


def _option(value: str, label: str, is_chosen: bool) -> str:
    return f'<option value="{markup(value)}"{" selected" if is_chosen else ""}>{markup(label)}</option>'


def _input_type(schema: Schema) -> str:
    """The type of an input, with the bounds that the browser checks."""
    step = {"integer": "1", "number": "any"}.get(str(schema.get("type")))
    kind = f'number" step="{step}' if step else _INPUT_TYPES.get(str(schema.get("format")), "text")
    bounds = (f' {attribute}="{schema[word]}"' for word, attribute in _BOUNDS.items() if _is_number(schema.get(word)))
    return f' type="{kind}"{"".join(bounds)}'


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _options(schema: Schema) -> list[tuple[str, str]]:
    """The choices of a field, each with its label."""
    titled = schema.get("oneOf") or schema.get("anyOf")
    if isinstance(titled, list):
        each = [cast("Schema", one) for one in cast("list[Any]", titled) if isinstance(one, dict) and "const" in one]
        return [(_text(one["const"]), str(one.get("title") or one["const"])) for one in each]
    plain, labels = _list(schema, "enum"), _list(schema, "enumNames")
    named = labels if len(labels) == len(plain) else plain
    return [(_text(value), str(label)) for value, label in zip(plain, named, strict=True)]


def _value(name: str, text: str, schema: Schema) -> Any:
    kind = schema.get("type")
    try:
        return int(text) if kind == "integer" else float(text) if kind == "number" else text
    except ValueError:
        raise BadForm(f"{name}: a number is needed") from None


def _shown(schema: Schema) -> list[str]:
    """The default of a field, as a browser would send it."""
    default = schema.get("default")
    if default is None:
        return []
    return [_text(one) for one in (cast("list[Any]", default) if isinstance(default, list) else [default])]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _properties(schema: Schema | None) -> dict[str, Schema]:
    found = (schema or {}).get("properties")
    if not isinstance(found, dict):
        return {}
    pairs = cast("dict[str, Any]", found).items()
    return {name: cast("Schema", one) for name, one in pairs if isinstance(one, dict)}


def _required(schema: Schema | None) -> list[str]:
    return [str(one) for one in _list(schema or {}, "required")]


def _items(schema: Schema) -> Schema:
    found = schema.get("items")
    return cast("Schema", found) if isinstance(found, dict) else {}


def _list(schema: Schema, word: str) -> list[Any]:
    found = schema.get(word)
    return cast("list[Any]", found) if isinstance(found, list) else []


def _id(number: int) -> str:
    """The name of a field in the form: not the one that a server gave it."""
    return f"field{number}"
