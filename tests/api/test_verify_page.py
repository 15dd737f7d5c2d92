"""The page that a bill's QR code leads to."""

import re
from html import unescape

import pytest

from billing_service.api.verify_page import LANGUAGES, Words
from billing_service.services.verifying import Outcome, Sentence
from tests.api.harness import Api
from tests.api.verified import NUMBER, issued, tamper

_FACTS = {"place": 1, "count": 61}
"""Facts of the sentences, of the first bill and its only session."""


def shown_by(html: str) -> str:
    """Return the text that a page shows."""
    return unescape(re.sub("<[^>]+>", "", html))


def said(words: Words, sentence: Sentence) -> str:
    """Return a sentence as it is read; what is to be typed stands without its marks."""
    return words.sentences[sentence].format_map(_FACTS).replace("`", "")


async def test_a_browser_gets_a_page(api: Api) -> None:
    """It needs no script and loads nothing."""
    bill = await issued(api)
    answer = await api.client.get(
        f"/verify/{bill['sha256']}", headers={"Accept": "text/html,*/*;q=0.8"}
    )
    assert answer.headers["content-type"].startswith("text/html")
    assert "default-src 'none'" in answer.headers["content-security-policy"]
    assert NUMBER in answer.text
    assert "<script" not in answer.text


@pytest.mark.parametrize(
    ("query", "header", "bills", "language"),
    [
        ("", "de-AT,de;q=0.9,en;q=0.8", "", "de"),
        ("", "es, en;q=0.2, fr;q=0.7", "", "fr"),
        ("", "de;q=0, fr", "", "fr"),
        ("?lang=fr", "de", "", "fr"),
        ("?lang=FR-ch", "de", "", "fr"),
        ("?lang=xx", "de", "", "de"),
        ("?lang=%00%22%3E", "", "", "en"),
        ("", "es", "fr_CH", "fr"),
        ("", "*", "", "en"),
        ("", ";;q=x,,q=,é", "", "en"),
        ("", "", "", "en"),
    ],
)
async def test_the_page_speaks_the_reader_s_language(
    api: Api, query: str, header: str, bills: str, language: str
) -> None:
    """As asked for, as the browser says, as the bill is written; English for who has neither."""
    await api.request("driver", "PUT", "/customers/me", json={"locale": bills})
    bill = await issued(api)
    answer = await api.client.get(
        f"/verify/{bill['sha256']}{query}",
        headers={b"Accept": b"text/html", b"Accept-Language": header.encode()},
    )
    assert answer.status_code == 200
    assert answer.headers["content-language"] == language
    assert f'<html lang="{language}">' in answer.text
    words = LANGUAGES[language]
    for sentence in (Sentence.UNCHANGED, Sentence.METER, Sentence.DOCUMENT):
        assert said(words, sentence) in shown_by(answer.text)
    other = LANGUAGES["fr" if language == "de" else "de"]
    assert said(other, Sentence.METER) not in shown_by(answer.text)


@pytest.mark.parametrize(
    ("language", "shown"),
    [
        ("en", ("23 November 2026", "€0.72", "3.600\xa0kWh")),
        ("fr", ("23 novembre 2026", "0,72\xa0€", "3,600\xa0kWh")),
        ("de", ("23. November 2026", "0,72\xa0€", "3,600\xa0kWh")),
    ],
)
async def test_numbers_and_failures_are_told_in_each_language(
    api: Api, language: str, shown: tuple[str, ...]
) -> None:
    """Date, money and energy as the language writes them, and what failed, in plain sight."""
    bill = await issued(api)
    path = f"/verify/{bill['sha256']}?lang={language}"
    html = {"Accept": "text/html"}
    before = await api.client.get(path, headers=html)
    for each in shown:
        assert each in before.text
    words = LANGUAGES[language]
    assert words.well in before.text
    changed = "UPDATE bill_evidence SET document = replace(document, '0.72', '0.27')"
    await tamper(api, "bill_evidence", changed)
    after = await api.client.get(path, headers=html)
    assert words.ill in after.text
    assert said(words, Sentence.CHANGED) in shown_by(after.text)
    assert after.text.count(f"✗ {words.outcomes[Outcome.FAILED]}") >= 2


_PRICED = "UPDATE bill_evidence SET document = replace(document, '0.72', '0.27')"
_UNREADABLE = (
    "UPDATE bill_evidence SET document ="
    """ replace(document, '"ended_at":"2026', '"ended_at":"2025')"""
)


@pytest.mark.parametrize(
    ("statement", "sentences"),
    [
        (_PRICED, {Sentence.OTHER_RATING, Sentence.OTHER_SUM, Sentence.OTHER_TOTALS}),
        (_UNREADABLE, {Sentence.NO_NUMBERS}),
    ],
)
@pytest.mark.parametrize("language", LANGUAGES)
async def test_what_comes_out_otherwise_is_told_in_each_language(
    api: Api, language: str, statement: str, sentences: set[Sentence]
) -> None:
    """By its place on the bill: still nobody, and no session, is named."""
    bill = await issued(api)
    await tamper(api, "bill_evidence", statement)
    answer = await api.client.get(
        f"/verify/{bill['sha256']}?lang={language}", headers={"Accept": "text/html"}
    )
    told = {
        each
        for each in Sentence
        if said(LANGUAGES[language], each) in shown_by(answer.text)
    }
    assert sentences <= told
    assert bill["sessions"][0]["session_id"] not in answer.text


def test_every_sentence_is_said_in_every_language() -> None:
    """None is left out, none loses a number, none stays English."""
    for language, words in LANGUAGES.items():
        assert set(words.sentences) == set(Sentence)
        assert set(words.outcomes) == set(Outcome)
        for sentence, text in words.sentences.items():
            fields = [re.findall(r"{\w+}", each) for each in (sentence.value, text)]
            assert fields[0] == fields[1]
            assert (text == sentence.value) is (language == "en")
