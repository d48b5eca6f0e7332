"""`fedloom certs`: an authority of one's own, and the certificates that it vouches for."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from fedloom.cli.connecting import AsJson
from fedloom.cli.listing import print_rows
from fedloom.cli.printing import print_json, print_warnings

if TYPE_CHECKING:
    from fedloom.fleet.flower.certificates import CertificateFolder, CertificateReport

__all__ = ["certs", "create", "renew", "show"]

certs = typer.Typer(
    add_completion=False,
    help="""Make a certificate authority and certificates for TLS.

    A folder holds ca.pem and ca.key, and server.pem and server.key. Nodes and people get ca.pem,
    the server's machine its own pair, and ca.key stays where it is. Keys are never written over.

    For example:

    \b
      fedloom certs create certs --host fedloom.example.org --host 192.0.2.7
      fedloom api --tls-certificate certs/server.pem --tls-key certs/server.key
      fedloom certs show certs
    """,
)

Folder = Annotated[Path, typer.Argument(metavar="DIR", help="The folder.")]
Name = Annotated[str, typer.Option("--name", "-n", help="Name of the server's files.")]
Days = Annotated[int, typer.Option(help="Days that it holds.")]
_HOST_HELP = "Name or address by which the server is reached; may be given several times."


@certs.command()
def create(
    folder: Folder,
    host: Annotated[list[str], typer.Option("--host", "-H", help=_HOST_HELP)],
    name: Name = "server",
    days: Days = 730,
    as_json: AsJson = False,
) -> None:
    """Make a server's key and certificate, and the authority if it is not there.

    For example: fedloom certs create certs --host fedloom.example.org
    """
    from fedloom.fleet.flower.certificates import CertificateFolder, create_certificates

    home = CertificateFolder(folder)
    create_certificates(home, host, name=name, days=days)
    _tell(home, name, as_json=as_json)


@certs.command()
def renew(
    folder: Folder,
    host: Annotated[
        list[str] | None,
        typer.Option("--host", "-H", help=f"{_HOST_HELP} Default: those that it has."),
    ] = None,
    name: Name = "server",
    days: Days = 730,
    as_json: AsJson = False,
) -> None:
    """Prolong a server's certificate; its key and ca.pem's key stay.

    Restart the server afterwards. Where the authority ends before, ca.pem is prolonged too;
    nodes with the old one go on working until it ends.

    For example: fedloom certs renew certs --days 365
    """
    from fedloom.fleet.flower.certificates import CertificateFolder, renew_certificates

    home = CertificateFolder(folder)
    renew_certificates(home, hosts=host or (), name=name, days=days)
    _tell(home, name, as_json=as_json)


@certs.command()
def show(folder: Folder, as_json: AsJson = False) -> None:
    """Show what is in a folder, and what is wrong with it.

    Ends with code 1 if anything is wrong, such as an end that has passed.

    For example: fedloom certs show certs
    """
    from fedloom.fleet.flower.certificates import CertificateFolder, inspect_certificates

    found = inspect_certificates(CertificateFolder(folder))
    if as_json:
        print_json([_as_plain(report) for report in found])
    else:
        rows = [(r.name, _day(r), r.hosts, r.sha256[:16]) for r in found]
        print_rows(("name", "holds until", "hosts", "sha256"), rows, none="nothing")
        print_warnings(f"{r.name}: {text}" for r in found for text in (*r.faults, *r.warnings))
    if any(report.faults for report in found):
        raise typer.Exit(1)


def _tell(home: CertificateFolder, name: str, *, as_json: bool) -> None:
    from fedloom.fleet.flower.certificates import inspect_certificates

    made = next(report for report in inspect_certificates(home) if report.name == name)
    if as_json:
        files = {"ca": home.certificate("ca"), "certificate": home.certificate(name)}
        files["key"] = home.key(name)
        print_json(_as_plain(made) | {key: str(path) for key, path in files.items()})
        return
    typer.echo(f"{home.certificate(name)}: {', '.join(made.hosts)}; holds until {_day(made)}")
    typer.echo(f"{home.key(name)}: its private key, for the server alone")
    typer.echo(f"{home.certificate('ca')}: give it to nodes and people (--ca)")


def _day(report: CertificateReport) -> str:
    return f"{report.valid_until:%Y-%m-%d}" if report.valid_until else "–"


def _as_plain(report: CertificateReport) -> dict[str, Any]:
    plain = asdict(report)
    for key in ("valid_from", "valid_until"):
        plain[key] = plain[key].isoformat() if plain[key] else None
    return plain
