"""The journal's proof: audit."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleet.store.journal.tampering import JournalFinding

audit = typer.Typer(
    cls=CommandList, no_args_is_help=True, help="The journal's hash chain, and what proves it to others."
)


@audit.command()
def verify(
    context: typer.Context,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            help="Public key of the checkpoints; default: the home's own. May be given more than once."
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="An export or a report (json) instead of the home's own journal."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            help="Checkpoints that were kept elsewhere (one a line, as fleet audit checkpoint prints)."
        ),
    ] = None,
) -> None:
    """Check every entry against its hash and the one before, and against the signed checkpoints.

    With --file and --key on any machine: no home and no database is needed. Exits 4 with what is wrong.
    """
    if file is not None:
        _verify_file(file, key or [], checkpoints or [])
        return
    from fleet.app.audit.verification import verify as check
    from fleet.cli.terminal.output import note, show

    found = check(home_of(context), key or [], checkpoints or [])
    tell_findings(found.findings)
    end = f", the last is {found.last[:16]}" if found.last else ""
    show(f"The journal is whole: {found.entries:,} entries, every hash follows from the one before{end}.")
    if not found.signatures:
        note("No signature was checked: there is no public key (--key; fleet audit keygen makes a pair).")
        return
    show(f"{_held(found.checkpoints)}; the last one that vouches is at entry {found.proven:,}.")
    if found.proven < found.entries:
        note(
            f"Not signed yet: {found.entries - found.proven:,} entries behind it (fleet audit checkpoint signs them)."
        )


def _verify_file(file: Path, keys: list[Path], checkpoints: list[Path]) -> None:
    from fleet.app.audit.export_verification import verify_file
    from fleet.cli.terminal.output import show
    from fleet.core.records.errors import UsageError

    refuse_without_key(keys)
    if checkpoints:
        raise UsageError("--checkpoints are for a home's journal; a file carries its own")
    found = verify_file(file, keys)
    tell_findings(found.findings)
    show(f"The {found.what} is whole and signed: entries {found.first:,} to {found.last:,}.")
    if found.signed_at is not None:
        show(
            f"{_held(found.checkpoints)}; the last was signed at {found.signed_at:%Y-%m-%d %H:%M:%SZ}: "
            "it says nothing of what came later."
        )


def refuse_without_key(keys: list[Path]) -> None:
    """Raises UsageError where no public key is given."""
    from fleet.core.records.errors import UsageError

    if not keys:
        raise UsageError(
            "a file proves nothing without the public key", "--key PUBLIC-KEY, from somebody you trust"
        )


def _held(checkpoints: int) -> str:
    return "1 signed checkpoint holds" if checkpoints == 1 else f"{checkpoints:,} signed checkpoints hold"


def tell_findings(findings: Iterable[JournalFinding]) -> None:
    """Shows the findings, and exits 4 if there are any."""
    from fleet.cli.terminal.output import show

    told = [f"entry {each.seq}: {each.words}" if each.seq else each.words for each in findings]
    for words in told:
        show(words)
    if told:
        raise typer.Exit(4)


@audit.command()
def keygen(context: typer.Context) -> None:
    """Make the Ed25519 key pair that signs checkpoints, and sign what is in the journal.

    The private key stays in the home (mode 0600) and is never overwritten; give the public one to whoever verifies.
    """
    from fleet.app.audit.signing import keygen as make
    from fleet.cli.terminal.output import note, show

    keys, public, signed = make(home_of(context))
    show(f"Private key: {keys.private}")
    show(f"Public key:  {keys.public} ({public.id})")
    typer.echo(public.pem, nl=False)
    if signed is not None:
        note(f"Signed the journal up to entry {signed.seq:,}.")
    note(
        "  -> keep a copy of the public key elsewhere: whoever may write here could put another one in its place"
    )


@audit.command()
def checkpoint(context: typer.Context) -> None:
    """Sign where the journal ends now. Prints the checkpoint as one line, to be kept elsewhere.

    The controller does the same every ten minutes in which something was written, and when a rollout ends.
    """
    import msgspec

    from fleet.app.audit.signing import checkpoint as sign
    from fleet.core.text.visible import visible_json

    typer.echo(visible_json(msgspec.json.encode(sign(home_of(context))).decode()))


@audit.command()
def export(
    context: typer.Context,
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Write there instead of to stdout.")
    ] = None,
) -> None:
    """The whole journal with its checkpoints, as JSON. Signs its end first where the home has a key.

    Verified on any machine with: fleet audit verify --file FILE --key PUBLIC-KEY
    """
    import msgspec

    from fleet.app.audit.verification import export as make
    from fleet.app.wiring.files import write_whole
    from fleet.cli.terminal.output import note, warn
    from fleet.core.text.visible import visible_json

    made = make(home_of(context))
    if made.entries and not made.checkpoints:
        warn("nothing in it is signed: fleet audit keygen makes a key")
    words = visible_json(msgspec.json.encode(made).decode())
    if output is None:
        typer.echo(words)
        return
    write_whole(output, f"{words}\n".encode())
    note(f"Wrote {output}: {len(made.entries):,} entries, {len(made.checkpoints):,} checkpoints")
