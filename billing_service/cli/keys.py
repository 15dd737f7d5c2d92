"""Commands about the keys that sign access tokens."""

from typing import Annotated

import typer

from billing_service import app as service
from billing_service.adapters.keys import KeyRing, KeyUnusable
from billing_service.cli.console import fail, settings
from billing_service.settings import SettingsInvalid

keys = typer.Typer(help="Keys that sign access tokens.", no_args_is_help=True)


@keys.command("rotate")
def key_rotate(
    drop_old: Annotated[
        bool,
        typer.Option(
            help="Void all access tokens now: the old key may have leaked. "
            "Programs get new ones with their refresh tokens."
        ),
    ] = False,
) -> None:
    """Sign access tokens with a new key; the running service takes it up by itself."""
    configured = settings()
    try:
        configured.make_data_dir()
        kid = KeyRing(configured.signing_keys_file, service.utc_now).rotate(
            drop_old=drop_old
        )
    except (KeyUnusable, SettingsInvalid) as error:
        fail(1, str(error))
    typer.echo(f"Access tokens are signed with key {kid} from now on.")
