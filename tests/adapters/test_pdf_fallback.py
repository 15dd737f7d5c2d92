"""Names in letters that the shipped fonts lack."""

import subprocess
import sys
from dataclasses import replace
from io import BytesIO
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pypdf import PdfReader
from reportlab.pdfgen.canvas import Canvas

from billing_service.adapters.pdf import PdfBillRenderer, fallback, style
from billing_service.adapters.pdf.words import LANGUAGES
from billing_service.domain.proof import sha256_of
from tests.adapters.test_pdf import CHART, CUSTOMER, bill, pages

CHINESE = "张伟 株式会社太陽"
DEVANAGARI = "क्षितिज शर्मा"
NO_FONT_HAS = "\N{LINEAR B SYLLABLE B008 A}\N{CUNEIFORM SIGN A}"


def printed(name: str, supplier: str = "Sunny", locale: str = "en") -> bytes:
    """Return a bill for somebody."""
    made = bill()
    return PdfBillRenderer(locale)(
        replace(
            made,
            customer=replace(CUSTOMER, name=name),
            supplier=replace(made.supplier, name=supplier),
        ),
        CHART,
    )


def fonts(document: bytes) -> str:
    """Return the names of a document's fonts."""
    page = PdfReader(BytesIO(document)).pages[0]
    return " ".join(
        str(font.get_object()["/BaseFont"])
        for font in page["/Resources"]["/Font"].values()  # type: ignore[index]
    )


@pytest.fixture
def no_fonts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Be on a machine that has none."""
    monkeypatch.setattr(fallback, "FOLDERS", ())


@pytest.mark.parametrize("name", [CHINESE, f"EV王GmbH ({CHINESE})", f"{CHINESE} שלום"])
def test_a_name_is_printed_with_a_font_of_the_machine(name: str) -> None:
    """In the address and in the footer; nothing is said of letters that lack a font."""
    document = printed(name, supplier=CHINESE)
    (page,) = pages(document)
    assert CHINESE.split()[1] in page
    assert page.count(CHINESE) >= 2
    assert "DroidSansFallback" in fonts(document)
    assert LANGUAGES["en"].no_font not in page


def test_letters_are_joined_where_their_script_wants_it() -> None:
    """Glyphs that stand for several letters have private numbers in the file."""
    document = printed(DEVANAGARI)
    (page,) = pages(document)
    assert "Devanagari" in fonts(document)
    assert any("\ue000" <= letter <= "\uf8ff" for letter in page)
    # With letters of another font in one word they stand one by one, and none is lost.
    (mixed,) = pages(printed("क्ष王"))
    assert "क्ष王" in mixed


def test_the_bytes_do_not_depend_on_what_was_printed_before() -> None:
    """Another process, which printed nothing else, comes to the same."""
    name = f"ज्ञान श्री {CHINESE}"
    printed(DEVANAGARI)
    alone = subprocess.run(
        [
            sys.executable,
            "-c",
            f"from {__name__} import printed, sha256_of; print(sha256_of(printed({name!r})))",
        ],
        check=True,
        capture_output=True,
        text=True,
    )
    assert sha256_of(printed(name)) == alone.stdout.strip()


@pytest.mark.parametrize("locale", sorted(LANGUAGES))
def test_a_letter_that_no_font_has_is_told(locale: str) -> None:
    """A box stands for it, and a sentence says so; only there."""
    said = LANGUAGES[locale].no_font
    (page,) = pages(printed(NO_FONT_HAS, locale=locale))
    assert said in page
    (page,) = pages(printed("Zoë Łukasz Ωμέγα שלום", locale=locale))
    assert said not in page


def test_a_machine_without_fonts_prints_boxes_and_says_so(
    request: pytest.FixtureRequest,
) -> None:
    """From the next bill on, when fonts go while the service runs."""
    name = f"{CHINESE} {DEVANAGARI}"
    before = printed(name)
    request.getfixturevalue("no_fonts")
    document = printed(name)
    (page,) = pages(document)
    assert LANGUAGES["en"].no_font in page
    assert "Droid" in fonts(before)
    assert "Droid" not in fonts(document)


def test_a_bill_in_shipped_letters_is_the_same_on_every_machine(
    request: pytest.FixtureRequest,
) -> None:
    """Whatever fonts it has."""
    before = printed("Zoë")
    request.getfixturevalue("no_fonts")
    assert printed("Zoë") == before


@pytest.mark.parametrize("whole", [b"", b"no font", b"\0\1\0\0\0\1" + b"\0" * 6])
def test_a_file_that_is_no_font_is_passed_over(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, whole: bytes
) -> None:
    """It is as good as none."""
    (tmp_path / "DroidSansFallbackFull.ttf").write_bytes(whole)
    monkeypatch.setattr(fallback, "FOLDERS", (tmp_path,))
    (page,) = pages(printed(CHINESE))
    assert LANGUAGES["en"].no_font in page


@settings(max_examples=200, deadline=None)
@given(
    st.text(
        st.characters(codec="utf-8")
        | st.characters(min_codepoint=0x900, max_codepoint=0x97F)
        | st.sampled_from(f"{CHINESE}{DEVANAGARI} Zoë שלום")
    )
)
def test_no_name_keeps_a_bill_from_being_printed(name: str) -> None:
    """Whatever Unicode has, in any order and direction."""
    style.register_fonts()
    fallback.begin()
    canvas = Canvas(BytesIO())
    found = style.paragraph(name, style.TEXT_BOLD)
    found.wrapOn(canvas, 200, 1000)
    found.drawOn(canvas, 0, 0)
    canvas.save()
