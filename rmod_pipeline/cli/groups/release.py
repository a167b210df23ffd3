"""`rmod release`: a data set becomes a folder to publish, and such a folder is checked."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from rmod_pipeline.cli.groups.help_format import Command, DefaultGroup
from rmod_pipeline.cli.shared.options import DataArgument
from rmod_pipeline.errors import quote
from rmod_pipeline.storage import parse_local_path

if TYPE_CHECKING:
    from rmod_pipeline.api import Release

LICENCES, IDENTITY, FORM = "Licences", "What it is", "Its form"
MOST_FINDINGS = 100

HELP = """
Turn a finished data set into a folder to publish, or check such a folder.

`rmod release OUT --to DIR` is short for `rmod release make OUT --to DIR`, whose `--help` lists the options. A data set
in a folder called `verify` is written `./verify`.

    rmod release OUT --to DIR --format kaggle --name my-drums --title "My drums"

    rmod release verify DIR --key release.pub
"""

app = typer.Typer(no_args_is_help=True, cls=DefaultGroup, rich_markup_mode="markdown")


@app.command(cls=Command)
def make(
    out: DataArgument,
    to: Annotated[
        Path,
        typer.Option(
            metavar="DIR", parser=parse_local_path, help="The new folder. It must not exist.", rich_help_panel=FORM
        ),
    ],
    form: Annotated[
        str, typer.Option("--format", metavar="plain|kaggle|huggingface", help="For which site.", rich_help_panel=FORM)
    ] = "plain",
    loose: Annotated[
        bool, typer.Option("--loose", help="Single files in place of tars, for Kaggle.", rich_help_panel=FORM)
    ] = False,
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_local_path,
            help="An Ed25519 private key, PEM or OpenSSH, to sign the checksums with.",
            rich_help_panel=FORM,
        ),
    ] = None,
    template: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE",
            parser=parse_local_path,
            help="Your own Jinja2 template of the data card.",
            rich_help_panel=FORM,
        ),
    ] = None,
    thresholds: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.yaml",
            parser=parse_local_path,
            help="Thresholds of the report in place of those in recipes/report/default.yaml, key by key.",
            rich_help_panel=FORM,
        ),
    ] = None,
    sample: Annotated[
        int, typer.Option(min=0, metavar="N", help="Pairs whose sound the report reads.", rich_help_panel=FORM)
    ] = 500,
    name: Annotated[
        str,
        typer.Option(
            metavar="NAME", help="In addresses: my-drums. Default: from the folder's name.", rich_help_panel=IDENTITY
        ),
    ] = "",
    title: Annotated[str, typer.Option(metavar="TEXT", help="One line.", rich_help_panel=IDENTITY)] = "",
    subtitle: Annotated[str, typer.Option(metavar="TEXT", help="One line.", rich_help_panel=IDENTITY)] = "",
    version: Annotated[
        str,
        typer.Option(
            metavar="X.Y.Z",
            help="Default: 1.0.0. Digits that follow from the data are added.",
            rich_help_panel=IDENTITY,
        ),
    ] = "",
    date: Annotated[
        str, typer.Option(metavar="YYYY-MM-DD", help="The day of publication.", rich_help_panel=IDENTITY)
    ] = "",
    owner: Annotated[
        str, typer.Option(metavar="NAME", help="The user or organisation on the site.", rich_help_panel=IDENTITY)
    ] = "",
    creator: Annotated[
        list[str] | None,
        typer.Option(metavar="NAME", help="Whom to cite; repeatable.", rich_help_panel=IDENTITY),
    ] = None,
    keyword: Annotated[
        list[str] | None,
        typer.Option(metavar="WORD", help="To be found by; repeatable.", rich_help_panel=IDENTITY),
    ] = None,
    notes: Annotated[
        str, typer.Option(metavar="TEXT", help="What changed since the last version.", rich_help_panel=IDENTITY)
    ] = "",
    licence_class: Annotated[
        str,
        typer.Option(
            metavar="CLASS",
            help="Release only pairs whose sounds all belong to permissive, attribution or share-alike.",
            rich_help_panel=LICENCES,
        ),
    ] = "any",
    allow_licence: Annotated[
        list[str] | None,
        typer.Option(
            metavar="SPDX",
            help="Release sounds under this licence although it asks for more than credit; `unknown` for sounds "
            "without one; repeatable.",
            rich_help_panel=LICENCES,
        ),
    ] = None,
    licence_texts: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            parser=parse_local_path,
            help="A folder with IDENTIFIER.txt for licences whose texts rmod lacks.",
            rich_help_panel=LICENCES,
        ),
    ] = None,
) -> None:
    """Turn a finished data set into a folder that others can trust, load and cite.

    The data set is verified and has to pass `rmod report` first. Licences that forbid a derived data set, bind it, or
    are unknown are refused, file by file, until they are allowed by name. That is a check and no legal advice. The
    folder appears complete or not at all, and the site's own command to upload it is printed and not run.

    Examples:

        rmod release OUT --to DIR

        rmod release OUT --to DIR --format huggingface --owner me --name my-drums --key release.pem

        rmod release make OUT --to DIR --licence-class attribution
    """
    from rmod_pipeline import api

    release = api.release(
        out,
        to=to,
        format=form,
        name=name,
        title=title,
        subtitle=subtitle,
        version=version,
        date=date,
        owner=owner,
        creators=creator or (),
        keywords=keyword or (),
        notes=notes,
        loose=loose,
        key=key,
        template=template,
        thresholds=thresholds,
        sample=sample,
        licence_class=licence_class,
        allow_licences=allow_licence or (),
        licence_texts=licence_texts,
    )
    _print_release(release)


@app.command(cls=Command)
def verify(
    folder: Annotated[
        Path,
        typer.Argument(metavar="DIR", parser=parse_local_path, help="A release, or a download of it."),
    ],
    key: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", parser=parse_local_path, help="The publisher's public Ed25519 key, PEM or OpenSSH."
        ),
    ] = None,
) -> None:
    """Check a released folder anywhere: files, checksums, version, attribution, and with --key the signature.

    Without the key of the publisher, somebody may have changed a file and its checksum too. Exits with 1 if anything
    is found.

    Examples:

        rmod release verify DIR

        rmod release verify DIR --key release.pub
    """
    from rmod_pipeline import api

    check = api.verify_release(folder, key=key)
    if check.ok:
        typer.echo(f"{folder}: {check.files} files agree with their checksums, and the papers with the data.")
    else:
        typer.secho(f"{folder}: {len(check.findings)} finding(s)", fg=typer.colors.RED)
        for finding in check.findings[:MOST_FINDINGS]:
            typer.echo(f"  {finding}")
        if len(check.findings) > MOST_FINDINGS:
            typer.echo(f"  and {len(check.findings) - MOST_FINDINGS} more")
        for remedy in check.remedies():
            typer.echo(f"  -> {remedy}")
    if check.ok and check.signature_checked:
        typer.echo("The checksums are signed by the holder of the key.")
    elif check.signed and not check.signature_checked:
        typer.echo("There is a signature, which was not checked: give the publisher's public key, --key FILE.")
    if not check.ok:
        raise typer.Exit(1)


def _print_release(release: Release) -> None:
    from rmod_pipeline.pipeline.jobs.disk_space import format_bytes

    pairs = ", ".join(f"{count} {split}" for split, count in release.pairs.items())
    typer.echo(f"{release.folder}: {pairs}; {release.files} files, {format_bytes(release.bytes)}.")
    signed = "signed" if release.signed else "not signed"
    typer.echo(f"Version {release.version}, {signed}; {release.sounds} sounds in ATTRIBUTION.csv.")
    typer.echo(f"Licence of the whole: {release.licence} (no legal advice: read LICENSES/).")
    typer.echo(f"Next: rmod release verify {quote(release.folder)}")
    if release.next_command:
        typer.echo(f"To upload it: {release.next_command}")
