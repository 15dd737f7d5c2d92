"""The twin on a broker with TLS: it speaks to the one that its authority vouches for, and to no other."""

import asyncio
import getpass
import os
import subprocess
from pathlib import Path

import pytest
from bench import cli
from bench.bench import WITHIN_S, Bench
from bench.twin import Twin

from scripts.rig.ports import free_port

from .broker import Broker

pytestmark = pytest.mark.asyncio


def openssl(folder: Path, *arguments: str) -> None:
    """Run openssl in this folder."""
    subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)


def authority(folder: Path, name: str) -> str:
    """Make a certificate authority that was never used before; give back its certificate."""
    openssl(
        folder,
        *("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"),
        *("-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}"),
    )
    return (folder / f"{name}.pem").read_text()


class TlsBroker(Broker):
    """A broker that also listens with TLS."""

    def listeners(self) -> str:
        """A certificate for 127.0.0.1, signed by ``ca``."""
        openssl(
            self.folder,
            *("req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=127.0.0.1"),
            *("-keyout", "server.key", "-out", "server.csr"),
        )
        (self.folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
        openssl(
            self.folder,
            *("x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key"),
            *("-CAcreateserial", "-days", "2", "-extfile", "names"),
            *("-out", "server.pem"),
        )
        (self.folder / "server.key").chmod(0o644)
        self.tls_port = free_port()
        # As root Mosquitto changes to a user that may not read this folder.
        user = f"user {getpass.getuser()}\n" if os.getuid() == 0 else ""
        return (
            f"{user}listener {self.tls_port} 127.0.0.1\n"
            f"certfile {self.folder / 'server.pem'}\n"
            f"keyfile {self.folder / 'server.key'}\n"
        )


async def test_speaks_only_to_a_broker_that_its_authority_vouches_for(
    twin_program: Path, tmp_path: Path, bench: Bench
) -> None:
    """With the right authority it connects; with another it does not, and says why, as does the command before it."""
    right, wrong = authority(tmp_path, "ca"), authority(tmp_path, "other")
    async with TlsBroker(tmp_path) as broker:
        where = ["--broker", f"127.0.0.1:{broker.tls_port}", "--ca"]
        await cli.reach(cli.parse([*where, str(tmp_path / "ca.pem")]), None)
        with pytest.raises(cli.BrokerError, match="certificate verify failed"):
            await cli.reach(cli.parse([*where, str(tmp_path / "other.pem")]), None)
        environment = {
            **bench.environment,
            "SOLARRALLY_BROKER_PORT": str(broker.tls_port),
        }
        async with Twin(
            twin_program,
            tmp_path / "wrong",
            {**environment, "SOLARRALLY_BROKER_CA": wrong},
        ) as twin:
            async with asyncio.timeout(WITHIN_S):
                while "No broker at" not in twin.log:
                    await asyncio.sleep(0.1)
            assert broker.ear.messages == []
        async with Twin(
            twin_program,
            tmp_path / "right",
            {**environment, "SOLARRALLY_BROKER_CA": right},
        ):
            await broker.until(lambda ear: "online" in ear.of("status"))
    assert broker.ear.wrong == []
