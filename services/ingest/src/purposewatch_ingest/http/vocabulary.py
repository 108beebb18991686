"""`GET /v1/vocabulary/{controller}`: the terms that a publisher's events may use."""

from pydantic import BaseModel, Field
from starlette.requests import Request

from purposewatch_ingest.http.authentication import Authenticator
from purposewatch_ingest.http.problems import ProblemError, ProblemKind
from purposewatch_ingest.ingest import Ingest


class TermAnswer(BaseModel):
    """One term."""

    term: str
    parent: str | None
    label: dict[str, str] = Field(description="Labels by language tag.")
    sensitive: bool


class VocabularyAnswer(BaseModel):
    """The effective vocabulary of one controller."""

    controller: str
    terms: dict[str, list[TermAnswer]] = Field(description="By dimension, for example `purposes`.")


class VocabularyEndpoint:
    """Shows publishers the vocabularies of their own controllers."""

    def __init__(self, ingest: Ingest, authenticator: Authenticator) -> None:
        self._ingest = ingest
        self._authenticator = authenticator

    async def show(self, request: Request) -> VocabularyAnswer:
        """Handle one request, whose path names the controller."""
        controller = request.path_params["controller"]
        publisher = self._authenticator.publisher_of(request)
        vocabulary = self._ingest.vocabularies().get(controller)
        if vocabulary is None or controller not in publisher.controllers:
            # one answer for both: other controllers must not be revealed to the publisher
            detail = "the controller has no declared policy or is not among the publisher's"
            raise ProblemError(ProblemKind.NOT_FOUND, detail)
        return VocabularyAnswer(
            controller=controller,
            terms={
                name: [
                    TermAnswer(
                        term=entry.term,
                        parent=entry.parent,
                        label=dict(entry.label),
                        sensitive=taxonomy.is_sensitive(entry.term),
                    )
                    for entry in taxonomy.values()
                ]
                for name, taxonomy in vocabulary.taxonomies().items()
            },
        )
