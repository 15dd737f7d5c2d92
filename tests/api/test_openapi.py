"""The API against its own description: schemathesis over real HTTP, with real tokens."""

import asyncio
import re
import sys
from pathlib import Path

import pytest

from tests.api.harness import PASSWORD, Api, listening, tariff_json

CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
)
HOW = {
    # Every boundary value of every field, as far as the time goes …
    "admin": ("--phases=coverage,fuzzing", "--max-examples=4", "--max-time=20"),
    # … and a few values for every operation, however slow the machine is.
    "driver": ("--phases=fuzzing", "--max-examples=3"),
}


async def _schemathesis(at: str, who: str, token: str, folder: Path) -> tuple[int, str]:
    process = await asyncio.create_subprocess_exec(
        str(Path(sys.executable).with_name("schemathesis")),
        "run",
        f"http://{at}/openapi.json",
        f"--header=Authorization: Bearer {token}",
        f"--checks={','.join(CHECKS)}",
        *HOW[who],
        "--generation-deterministic",
        "--continue-on-failure",
        "--no-shrink",
        "--no-color",
        # They would end the sign-in that the others need.
        "--exclude-path-regex=sign-out",
        cwd=folder,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.STDOUT,
    )
    try:
        output, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
    assert process.returncode is not None
    return process.returncode, output.decode("utf-8", "replace")


@pytest.mark.parametrize("who", ["admin", "driver"])
async def test_every_answer_is_as_described(api: Api, tmp_path: Path, who: str) -> None:
    """Whatever is sent: no 5xx, no status, type or shape that the description does not name."""
    session = await api.charge()
    await api.assign(session.id, "driver")
    await api.request("admin", "POST", f"/sessions/{session.id}/bill")
    await api.request("admin", "POST", "/tariffs/", json=tariff_json())
    tokens = await api.services.auth.sign_in(who, PASSWORD, "192.0.2.1")
    async with listening(api.app) as at:
        status, output = await _schemathesis(at, who, tokens.access_token, tmp_path)
    assert status == 0, output
    tried = re.search(r"(\d+) generated, \1 passed", output)
    assert tried is not None, output
    assert int(tried[1]) > 50
    # It was signed in to the end, or it would have seen nothing but 401.
    headers = {"Authorization": f"Bearer {tokens.access_token}"}
    assert (await api.client.get("/users/me", headers=headers)).status_code == 200


async def test_an_answer_that_is_not_described_is_found(
    api: Api, tmp_path: Path
) -> None:
    """The check itself can fail: here of a route that does not keep its word."""

    @api.app.get("/broken")
    async def broken() -> int:
        raise RuntimeError("on purpose")

    api.app.openapi_schema = None
    api.app.router.routes[:] = [
        route
        for route in api.app.router.routes
        if getattr(route, "path", "") in ("/broken", "/openapi.json")
    ]
    async with listening(api.app) as at:
        status, output = await _schemathesis(at, "driver", "none", tmp_path)
    assert status == 1
    assert "Server error" in output
