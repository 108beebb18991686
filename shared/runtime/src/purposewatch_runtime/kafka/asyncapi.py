"""A service's channels as AsyncAPI 3 and as a page that loads nothing from other hosts.

FastStream generates the document from the subscribers that consume and from a publisher for each
topic that `topics.yaml` says the service produces.
"""

from base64 import b64encode
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from html import escape
from itertools import product
from typing import Any, cast

from faststream.kafka import KafkaBroker
from faststream.specification import AsyncAPI
from pydantic_core import to_json
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, Response
from starlette.routing import BaseRoute, Route

from purposewatch_contract import MESSAGES, declared_topics, read_example, topic_name
from purposewatch_runtime.http.security_headers import PAGE_HEADERS, content_security_policy
from purposewatch_runtime.kafka.consumer import BatchConsumer

_SORTED = ("channels", "operations", "messages", "schemas")
_VERSION = "1.0"
"""The version of the messages, which their `dataschema` names."""
_STYLE = """
body { font: 16px/1.5 sans-serif; margin: 0 auto; max-width: 62rem; padding: 1rem }
table { border-collapse: collapse; width: 100% }
th, td { border-bottom: 1px solid #ccc; padding: .3rem; text-align: left; vertical-align: top }
pre { background: #f4f4f4; overflow: auto; padding: 1rem }
@media (prefers-color-scheme: dark) { body { background: #16181d; color: #e6e6e6 }
  pre { background: #23262d } a { color: #8ab4ff } }
"""
_STYLE_DIGEST = b64encode(sha256(_STYLE.encode()).digest()).decode()
_POLICY = content_security_policy(style=f"'sha256-{_STYLE_DIGEST}'")


def asyncapi_document(
    service: str, *, prefix: str, consumers: Iterable[BatchConsumer]
) -> dict[str, Any]:
    """The AsyncAPI document of a service, without the brokers' addresses."""
    publishers = KafkaBroker(logger=None)
    for name, topic in declared_topics().items():
        if service in topic.producers:
            [schema] = topic.schemas  # a service writes one kind of message to a topic
            publishers.publisher(
                topic_name(prefix, name),
                title=topic_name(prefix, name),
                description=topic.description,
                schema=MESSAGES[schema],
            )
    specification = AsyncAPI(
        *(consumer.broker for consumer in consumers),
        publishers,
        title=f"Purposewatch {service}",
        version=_VERSION,
        description=f"The Kafka topics that {service} consumes and produces.",
    )
    document = cast("dict[str, Any]", specification.to_specification().to_jsonable())
    components = document["components"]
    del document["servers"]
    components.pop("securitySchemes", None)
    for channel in document["channels"].values():
        del channel["servers"]
    for message in components["messages"].values():
        del message["correlationId"]  # FastStream's own convention, which the services do not use
    for message_name, model in MESSAGES.items():
        if model.__name__ in components["schemas"]:
            components["schemas"][model.__name__]["examples"] = [read_example(message_name)]
    # FastStream keeps publishers in a set: without sorting, the order would change.
    for holder, part in product((document, components), _SORTED):
        if part in holder:
            holder[part] = dict(sorted(holder[part].items()))
    return document


def asyncapi_routes(
    service: str, *, prefix: str, consumers: Iterable[BatchConsumer]
) -> Sequence[BaseRoute]:
    """`/asyncapi`, a page to read, and `/asyncapi.json`; made at the first request."""
    known = tuple(consumers)

    @cache
    def document() -> dict[str, Any]:
        return asyncapi_document(service, prefix=prefix, consumers=known)

    headers = {**PAGE_HEADERS, "Content-Security-Policy": _POLICY}

    async def show(_: Request) -> Response:
        return HTMLResponse("".join(_page(document())), headers=headers)

    async def download(_: Request) -> Response:
        return JSONResponse(document())

    return (
        Route("/asyncapi", show, include_in_schema=False),
        Route("/asyncapi.json", download, include_in_schema=False),
    )


def _page(document: Mapping[str, Any]) -> Iterator[str]:
    info = document["info"]
    title = f"{escape(info['title'])} {escape(info['version'])}"
    yield f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>'
    yield f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>'
    yield f"<h1>{title}</h1><p>{escape(info['description'])}"
    yield ' The document itself: <a href="asyncapi.json">asyncapi.json</a>.</p>'
    yield "<table><tr><th>Operation</th><th>Topic</th><th>Message</th><th>Meaning</th></tr>"
    named: dict[str, None] = {}
    for operation in document["operations"].values():
        channel = _resolve(document, operation["channel"])
        for reference in channel["messages"].values():
            message = _name(_resolve(document, reference)["payload"])
            named[message] = None
            cells = (operation["action"], channel["address"], message, channel["description"])
            yield "<tr>" + "".join(f"<td>{escape(cell)}</td>" for cell in cells) + "</tr>"
    yield "</table>"
    schemas = document["components"]["schemas"]
    for name in (*named, *(name for name in sorted(schemas) if name not in named)):
        yield from _schema(name, schemas[name])


def _schema(name: str, schema: Mapping[str, Any]) -> Iterator[str]:
    yield f'<h2 id="{escape(name)}">{escape(name)}</h2>'
    yield f"<p>{escape(schema.get('description', ''))}</p>"
    if "properties" in schema:
        yield "<table><tr><th>Field</th><th>Type</th><th>Required</th><th>Meaning</th></tr>"
        for field, details in schema["properties"].items():
            required = "yes" if field in schema.get("required", ()) else "no"
            yield f"<tr><td><code>{escape(field)}</code></td><td>{_type(details)}</td>"
            yield f"<td>{required}</td><td>{escape(details.get('description', ''))}</td></tr>"
        yield "</table>"
    else:
        yield f"<p>{_type(schema)}</p>"
    for example in schema.get("examples", ()):
        yield f"<h3>Example</h3><pre>{escape(to_json(example, indent=2).decode())}</pre>"


def _type(schema: Mapping[str, Any]) -> str:
    """The type in HTML, with a link for a schema of its own and the bounds of its values."""
    if "$ref" in schema:
        name = escape(_name(schema))
        return f'<a href="#{name}">{name}</a>'
    if "anyOf" in schema:
        return " or ".join(_type(each) for each in schema["anyOf"])
    if "const" in schema:
        return f"<code>{escape(str(schema['const']))}</code>"
    if "enum" in schema:
        return ", ".join(f"<code>{escape(str(each))}</code>" for each in schema["enum"])
    found = escape(str(schema.get("type", "any")))
    if isinstance(schema.get("items"), dict):
        found += f" of {_type(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        found += f" with values {_type(schema['additionalProperties'])}"
    bounds = ("format", "pattern", "minimum", "maximum", "minLength", "maxLength", "maxItems")
    stated = [
        f"{bound} <code>{escape(str(schema[bound]))}</code>" for bound in bounds if bound in schema
    ]
    return f"{found} ({', '.join(stated)})" if stated else found


def _name(reference: Mapping[str, str]) -> str:
    return reference["$ref"].rpartition("/")[2]


def _resolve(document: Mapping[str, Any], reference: Mapping[str, str]) -> dict[str, Any]:
    found: Any = document
    for part in reference["$ref"].removeprefix("#/").split("/"):
        found = found[part.replace("~1", "/").replace("~0", "~")]
    return cast("dict[str, Any]", found)
