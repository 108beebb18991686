"""The command `purposewatch vocabulary search`."""

import json
from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Annotated

import typer
from rich.table import Table
from rich.text import Text

from purposewatch_cli.policy.loading import (
    DEFAULT_POLICIES,
    UNUSABLE,
    LanguageTag,
    PoliciesOption,
    load_or_exit,
)
from purposewatch_cli.terminal import console, counted, errors_console, printable
from purposewatch_policy import PolicySet, Statement, TermUsage, UsedTerms
from purposewatch_policy.vocabulary import NOUNS, MatchedField, TermMatch, VocabularySearch

_MOST = 50
_LISTED = 3
"""Statements that are named in a row of the table; `--json` names all."""

DimensionName = StrEnum("DimensionName", {name.upper(): name for name in NOUNS})  # type: ignore[misc]
_Found = tuple[TermMatch, TermUsage]


def search(  # noqa: PLR0913 - one option for each restriction
    query: Annotated[str, typer.Argument(help="Words for what you look for, in any language.")],
    policies: PoliciesOption = DEFAULT_POLICIES,
    *,
    controller: Annotated[
        str | None, typer.Option(metavar="NAME", help="Whose vocabulary; without it, every one.")
    ] = None,
    dimension: Annotated[
        DimensionName | None, typer.Option(help="Only terms of this dimension.")
    ] = None,
    limit: Annotated[
        int, typer.Option(min=1, max=_MOST, help="Most terms of a controller to show.")
    ] = 5,
    lang: Annotated[LanguageTag, typer.Option(help="Language of labels.")] = LanguageTag.EN,
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Find the terms for what you want to state, and the statements that speak of them.

    Searches terms, labels, synonyms and descriptions in all languages. The statements are those
    of a controller's latest policy.

    Exit status: 0 something was found, 1 nothing was found, 2 the input is unusable.
    """
    loaded = load_or_exit(policies)
    if controller is not None and controller not in loaded.controllers:
        known = "`, `".join(loaded.controllers)
        complaint = f"no controller `{controller}`; choose one of `{known}`"
        errors_console().print(Text(printable(complaint)), soft_wrap=True)
        raise typer.Exit(UNUSABLE)
    wanted = loaded.controllers if controller is None else (controller,)
    found = {name: list(_search(loaded, name, query, dimension, limit)) for name in wanted}
    if as_json:
        typer.echo(json.dumps(_as_json(query, found), indent=2, ensure_ascii=False))
    else:
        _show(found, lang)
    raise typer.Exit(0 if any(found.values()) else 1)


def _search(
    policies: PolicySet, controller: str, query: str, dimension: DimensionName | None, limit: int
) -> Iterator[_Found]:
    vocabulary = policies.vocabularies[controller]
    used = UsedTerms(policies.versions(controller)[-1].policy, vocabulary)
    index = VocabularySearch(vocabulary)
    for match in index.search(query, dimension=dimension, limit=limit):
        yield match, used.usage(match.dimension, match.entry.term)


def _show(found: Mapping[str, list[_Found]], language: LanguageTag) -> None:
    out = console()
    for controller, terms in found.items():
        if not terms:
            out.print(Text(f"{controller}: nothing found"))
            continue
        table = Table(title=controller, title_justify="left", title_style="bold", expand=True)
        for heading in ("dimension", "term", "label", "matched", "statements"):
            table.add_column(heading, overflow="fold", no_wrap=heading == "term")
        for match, usage in terms:
            entry = match.entry
            label = entry.label.get(language) or entry.label.get(LanguageTag.EN) or ""
            description = entry.description.get(language) or entry.description.get(LanguageTag.EN)
            table.add_row(
                NOUNS[match.dimension],
                Text(entry.term, style="bold"),
                Text(f"{label}\n{description}" if description else label),
                Text(_reason(match)),
                Text(_spoken_of(usage)),
            )
        out.print(table)


def _reason(match: TermMatch) -> str:
    if match.matched is MatchedField.TERM:
        return str(match.matched)
    return f"{match.matched}: {match.text}"


def _spoken_of(usage: TermUsage) -> str:
    lines = []
    for statements, suffix in (
        (usage.naming, ""),
        (usage.covering, " about a wider term"),
        (usage.narrower, " about narrower terms only"),
        (usage.excepting, " about a wider term without it"),
    ):
        if statements:
            listed = ", ".join(each.id for each in statements[:_LISTED])
            more = f" and {len(statements) - _LISTED} more" if len(statements) > _LISTED else ""
            lines.append(f"{counted(len(statements), 'statement')}{suffix}: {listed}{more}")
    return "\n".join(lines) or "none"


def _as_json(query: str, found: Mapping[str, list[_Found]]) -> dict[str, object]:
    return {
        "query": query,
        "controllers": {
            controller: [_term_as_json(match, usage) for match, usage in terms]
            for controller, terms in found.items()
        },
    }


def _term_as_json(match: TermMatch, usage: TermUsage) -> dict[str, object]:
    entry = match.entry
    return {
        "dimension": match.dimension,
        "term": entry.term,
        "label": dict(entry.label),
        "synonyms": {language: list(words) for language, words in entry.synonyms.items()},
        "description": dict(entry.description),
        "score": round(match.score, 3),
        "matched": {"field": match.matched, "language": match.language, "text": match.text},
        "statements": {
            "naming": _ids(usage.naming),
            "covering": _ids(usage.covering),
            "narrower": _ids(usage.narrower),
            "excepting": _ids(usage.excepting),
        },
    }


def _ids(statements: tuple[Statement, ...]) -> list[str]:
    return [each.id for each in statements]
