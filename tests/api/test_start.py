"""The page at the service's address."""

import re

import pytest

from tests.api.harness import PASSWORD, Api


@pytest.mark.parametrize(
    ("wanted", "language", "says"),
    [
        ("", "en", "billing service"),
        ("de-AT,de;q=0.9,en;q=0.5", "de", "Abrechnungsdienst"),
        ("xx, en;q=0.3, fr-CA;q=0.8", "fr", "facturation"),
        ("de;q=x, ;;,", "en", "billing service"),
    ],
)
async def test_the_address_that_is_printed_shows_a_page(
    api: Api, wanted: str, language: str, says: str
) -> None:
    """In the browser's language, for a phone, with nothing from elsewhere; its links lead on."""
    answer = await api.client.get("/", headers={"Accept-Language": wanted})
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/html; charset=utf-8"
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    assert says in answer.text
    assert "width=device-width" in answer.text
    assert not re.search(r"https?://|<script|<link|<img|@import", answer.text)
    links = re.findall(r'href="([^"]+)"', answer.text)
    assert links == ["/openapi.json", "/healthz", "/readyz"]
    for link in links:
        assert (await api.client.get(link)).status_code == 200


async def test_signing_in_as_the_page_says_works(api: Api) -> None:
    """Its example is true."""
    text = (await api.client.get("/")).text.replace("&amp;", "&")
    said = re.search(r"<pre>(POST) (\S+)\nContent-Type: (\S+)\n\n(\S+)</pre>", text)
    assert said is not None
    method, path, kind, body = said.groups()
    body = body.replace("username=…", "username=driver")
    answer = await api.client.request(
        method,
        path,
        headers={"Content-Type": kind},
        content=body.replace("…", PASSWORD.replace(" ", "+")),
    )
    assert answer.status_code == 200
    assert answer.json()["access_token"]
