"""Reads OpenVEX documents: what an operator or a vendor declares about images, and about live patches.

Source: OpenVEX specification 0.2.0. A statement is about its products by `@id`, or by the package URL among a product's
`identifiers`. These products are recognized: an image by its digest (`pkg:oci/NAME@sha256:…`, or the digest alone), what
fleet itself writes with `-o vex`, and a live patch of the kernel by the name of its module (`pkg:generic/MODULE`).
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import Meta, Struct, field

from fleet.core.exposure.advisory import SecurityAdvisory, is_covered
from fleet.core.exposure.package_url import package_url
from fleet.core.exposure.verdict import ExposureVerdict
from fleet.core.records.errors import UsageError

Text = Annotated[str, Meta(max_length=1024)]
VexStatus = Literal["not_affected", "affected", "fixed", "under_investigation"]


class VexStatement(Struct, frozen=True):
    """One statement of a document."""

    author: str
    names: frozenset[str]
    """The vulnerability's name, id and aliases."""
    products: frozenset[str]
    status: VexStatus
    why: str


class _Vulnerability(Struct, frozen=True):
    name: Text = ""
    id: Text = field(name="@id", default="")
    aliases: tuple[Text, ...] = ()


class _Product(Struct, frozen=True):
    id: Text = field(name="@id", default="")
    identifiers: dict[Text, Text] = {}


class _Statement(Struct, frozen=True):
    vulnerability: _Vulnerability
    status: VexStatus
    products: tuple[_Product, ...] = ()
    justification: Text = ""
    impact_statement: Annotated[str, Meta(max_length=16384)] = ""
    status_notes: Annotated[str, Meta(max_length=16384)] = ""


class _Document(Struct, frozen=True):
    context: Text = field(name="@context")
    author: Text
    statements: tuple[_Statement, ...]


_DECODER = msgspec.json.Decoder(_Document)
_FORMAT = "expected an OpenVEX 0.2.0 document, such as fleet exposure -o vex writes"


def read_vex(text: bytes, name: str) -> list[VexStatement]:
    """Returns the statements of a document. `name` is the file's name, for errors. Raises UsageError for another text."""
    try:
        document = _DECODER.decode(text)
    except (msgspec.DecodeError, msgspec.ValidationError, RecursionError, UnicodeDecodeError) as error:
        raise UsageError(f"{name} cannot be read as OpenVEX: {error}", _FORMAT) from None
    if not document.context.startswith("https://openvex.dev/ns"):
        raise UsageError(f"{name} is no OpenVEX document: its @context is {document.context[:80]!r}", _FORMAT)
    return [
        VexStatement(
            document.author,
            frozenset(
                filter(None, (one.vulnerability.name, one.vulnerability.id, *one.vulnerability.aliases))
            ),
            frozenset(product for each in one.products for product in _names(each)),
            one.status,
            one.impact_statement or one.justification.replace("_", " ") or one.status_notes,
        )
        for one in document.statements
    ]


def _names(product: _Product) -> Iterator[str]:
    """Yields what a product may be known by: the whole id, as written and in canonical form; the digest in it; the name of
    a live patch."""
    for text in (product.id, *product.identifiers.values()):
        if text:
            yield text
        if (package := package_url(text)) is not None:
            yield package.canonical
            if package.version.startswith("sha256:"):
                yield package.version
            elif not package.version:
                yield package.name


def declared(
    statements: Sequence[VexStatement],
    advisory: SecurityAdvisory,
    products: frozenset[str],
    live_patches: Sequence[str],
) -> ExposureVerdict | None:
    """Returns what the statements declare about an advisory on a node, by the names of its image and by its live patches;
    None if they declare nothing. Where statements contradict each other, the last one counts.

    An advisory about several vulnerabilities is declared to be fixed only if all of them are.
    """
    by_name: dict[str, VexStatement] = {}
    for statement in statements:
        if statement.products & products or statement.products.intersection(live_patches):
            by_name.update(dict.fromkeys(statement.names & advisory.names, statement))
    affected = next((one for one in by_name.values() if one.status == "affected"), None)
    if affected is not None:
        return ExposureVerdict("affected", "listed", f"{affected.author} declares {advisory.id} as affected")
    good = {name: one for name, one in by_name.items() if one.status in ("fixed", "not_affected")}
    if not is_covered(advisory, good):
        return None
    one = next(iter(good.values()))
    patches = sorted(one.products.intersection(live_patches))
    what = f"live patch {', '.join(patches)} fixes it" if patches else one.why or one.status.replace("_", " ")
    state: Literal["fixed", "not_affected"] = (
        "fixed" if one.status == "fixed" and not patches else "not_affected"
    )
    return ExposureVerdict(state, "declared-fixed", f"declared by {one.author}: {what}")
