"""The commands report and audit: what was done, with its proof."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fleet.cli.context import home_of
from fleet.cli.help_format import CommandList

if TYPE_CHECKING:
    from collections.abc import Iterable

    from fleet.store.journal.tampering import JournalFinding

audit = typer.Typer(cls=CommandList, no_args_is_help=True, help="Verify, sign and export the journal.")


@audit.command()
def verify(
    context: typer.Context,
    key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Public key of the checkpoints. Default: the home's own. May be given more than once.",
        ),
    ] = None,
    file: Annotated[
        Path | None,
        typer.Option("--file", "-f", help="An export or a report (json) instead of the home's own journal."),
    ] = None,
    checkpoints: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE",
            help="Checkpoints that were kept elsewhere, one per line as fleet audit checkpoint prints them.",
        ),
    ] = None,
) -> None:
    """Check every entry of the journal against its hash, the entry before it, and the signed checkpoints.

    With --file and --key it runs on any machine, without a home or a database. Exits 4 if it finds anything wrong.
    """
    if file is not None:
        _verify_file(file, key or [], checkpoints or [])
        return
    from fleet.app.audit.verification import verify as check
    from fleet.cli.terminal.output import note, show

    found = check(home_of(context), key or [], checkpoints or [])
    show_findings(found.findings)
    end = f", the last is {found.last[:16]}" if found.last else ""
    show(f"The journal is intact: {found.entries:,} entries, every hash follows from the one before{end}.")
    if not found.signatures:
        note("No signature was checked: there is no public key (--key; fleet audit keygen creates a pair).")
        return
    show(f"{_held(found.checkpoints)}; the last valid one is at entry {found.proven:,}.")
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
    show_findings(found.findings)
    show(f"The {found.what} is intact and signed: entries {found.first:,} to {found.last:,}.")
    if found.signed_at is not None:
        show(
            f"{_held(found.checkpoints)}; the last was signed at {found.signed_at:%Y-%m-%d %H:%M:%SZ}: "
            "it proves nothing about what came later."
        )


def refuse_without_key(keys: list[Path]) -> None:
    """Raises UsageError where no public key is given."""
    from fleet.core.records.errors import UsageError

    if not keys:
        raise UsageError(
            "a file proves nothing without the public key", "--key PUBLIC-KEY, from a source that you trust"
        )


def _held(checkpoints: int) -> str:
    return "1 signed checkpoint holds" if checkpoints == 1 else f"{checkpoints:,} signed checkpoints hold"


def show_findings(findings: "Iterable[JournalFinding]") -> None:
    """Shows the findings, and exits 4 if there are any."""
    from fleet.cli.terminal.output import show

    lines = [
        f"entry {finding.seq}: {finding.message}" if finding.seq else finding.message for finding in findings
    ]
    for line in lines:
        show(line)
    if lines:
        raise typer.Exit(4)


@audit.command()
def keygen(context: typer.Context) -> None:
    """Create the Ed25519 key pair that signs checkpoints, and sign what is in the journal.

    The private key stays in the home (mode 0600) and is never overwritten; give the public one to those who verify.
    """
    from fleet.app.audit.signing import keygen as make
    from fleet.cli.terminal.output import note, show

    keys, public, signed = make(home_of(context))
    show(f"Private key: {keys.private}")
    show(f"Public key:  {keys.public} ({public.id})")
    typer.echo(public.pem, nl=False)
    if signed is not None:
        note(f"Signed the journal up to entry {signed.seq:,}.")
    note("  -> keep a copy of the public key elsewhere: anyone who can write here could replace it")


@audit.command()
def checkpoint(context: typer.Context) -> None:
    """Sign the current end of the journal. Prints the checkpoint as one line, to be kept elsewhere.

    The controller does the same when a rollout ends, and every ten minutes if something was written.
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
    """Export the whole journal with its checkpoints, as JSON. Signs its end first if the home has a key.

    Verify the export on any machine with: fleet audit verify --file FILE --key PUBLIC-KEY
    """
    import msgspec

    from fleet.app.audit.verification import export as make
    from fleet.app.wiring.files import write_whole
    from fleet.cli.terminal.output import note, warn
    from fleet.core.text.visible import visible_json

    made = make(home_of(context))
    if made.entries and not made.checkpoints:
        warn("nothing in it is signed: fleet audit keygen creates a key")
    text = visible_json(msgspec.json.encode(made).decode())
    if output is None:
        typer.echo(text)
        return
    write_whole(output, f"{text}\n".encode())
    note(f"Wrote {output}: {len(made.entries):,} entries, {len(made.checkpoints):,} checkpoints")
