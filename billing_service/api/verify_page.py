"""The page that a bill's QR code leads to: without scripts, names nobody, fits a phone."""

import re
from dataclasses import dataclass
from html import escape

from babel import Locale, UnknownLocaleError, negotiate_locale
from babel.dates import format_date
from babel.numbers import format_currency, format_decimal

from billing_service.domain.bill import BillKind
from billing_service.services.verifying import Check, Outcome, Said, Sentence, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything the page says by itself, in one language."""

    language: str
    bill: str
    credit_note: str
    issued_on: str
    total: str
    energy: str
    taken_back: str
    well: str
    ill: str
    outcomes: dict[Outcome, str]
    sentences: dict[Sentence, str]


_ENGLISH = Words(
    language="English",
    bill="Bill",
    credit_note="Credit note",
    issued_on="Issued on",
    total="Total",
    energy="Energy",
    taken_back="It was taken back by {number}.",
    well="It is as it was issued.",
    ill="It is not as it was issued.",
    outcomes={
        Outcome.PROVEN: "proven",
        Outcome.NOT_PROVEN: "not proven",
        Outcome.FAILED: "failed",
    },
    sentences={each: each.value for each in Sentence},
)

_GERMAN = Words(
    language="Deutsch",
    bill="Rechnung",
    credit_note="Storno",
    issued_on="Ausgestellt am",
    total="Gesamtbetrag",
    energy="Energie",
    taken_back="Sie wurde durch {number} zurückgenommen.",
    well="Unverändert, seit sie ausgestellt wurde.",
    ill="Nicht so, wie sie ausgestellt wurde.",
    outcomes={
        Outcome.PROVEN: "bewiesen",
        Outcome.NOT_PROVEN: "nicht bewiesen",
        Outcome.FAILED: "fehlgeschlagen",
    },
    sentences={
        Sentence.UNCHANGED: (
            "Die Rechnung und ihre Belege sind seit der Ausstellung unverändert."
        ),
        Sentence.CHANGED: (
            "Die Rechnung oder ihre Belege wurden seit der Ausstellung verändert."
        ),
        Sentence.SAME_RATING: (
            "Gemessene Energie, Tarif und Bewertung ergeben, neu berechnet, dieselben Zeilen und "
            "Summen."
        ),
        Sentence.SAME_SUMS: "Die Beträge ergeben, neu addiert, dieselben Summen.",
        Sentence.OTHER_NUMBERS: "Neu berechnet ergibt sich anderes.",
        Sentence.OTHER_SOLAR_ENERGY: (
            "Die Solarenergie von Ladevorgang {place} weicht ab."
        ),
        Sentence.OTHER_GRID_ENERGY: "Die Netzenergie von Ladevorgang {place} weicht ab.",
        Sentence.OTHER_RATING: "Die Bewertung von Ladevorgang {place} weicht ab.",
        Sentence.OTHER_LINES: "Die Zeilen von Ladevorgang {place} weichen ab.",
        Sentence.OTHER_SUM: "Die Summe von Ladevorgang {place} weicht ab.",
        Sentence.OTHER_TOTALS: "Die Gesamtsummen weichen ab.",
        Sentence.NO_NUMBERS: (
            "Die Belege lassen sich nicht bewerten: Sie wurden zu etwas verändert, das es nicht "
            "geben kann."
        ),
        Sentence.LOGGED: (
            "Das Protokoll hat bei der Ausstellung denselben Hash vermerkt."
        ),
        Sentence.NOT_LOGGED: "Das Protokoll kennt diesen Hash nicht.",
        Sentence.CHAINED: (
            "Die Rechnung steht an Stelle {place} der Kette aller Rechnungen, zwischen ihren "
            "Nachbarn."
        ),
        Sentence.UNCHAINED: "Die Kette der Rechnungen ist bei dieser Rechnung unterbrochen.",
        Sentence.NO_READINGS: (
            "Ein Storno hat keine eigenen Messwerte; seine Rechnung hat sie."
        ),
        Sentence.READINGS: (
            "Die {count} Messwerte des Zählers selbst: nur ihr Fingerabdruck gehört zu den "
            "Belegen. `solarrally verify` vergleicht, was noch gespeichert ist."
        ),
        Sentence.DOCUMENT: (
            "Dass das Papier oder die Datei in Ihrer Hand dasselbe sagt: Vergleichen Sie Nummer, "
            "Datum und Gesamtbetrag mit diesen, oder geben Sie die Datei an `solarrally verify`."
        ),
        Sentence.METER: (
            "Dass der Zähler richtig misst: Seine Messwerte tragen keine eigene Signatur."
        ),
        Sentence.DRIVER: (
            "Wer geladen hat: Ein Ladevorgang gehört der Person, der er zugeordnet wurde."
        ),
        Sentence.OPERATOR: (
            "Dass niemand die ganze Kette neu geschrieben hat: Wer ein späteres Glied anderswo "
            "notiert hat, würde es sehen."
        ),
    },
)

_FRENCH = Words(
    language="Français",
    bill="Facture",
    credit_note="Avoir",
    issued_on="Émis le",
    total="Total",
    energy="Énergie",
    taken_back="Annulation par {number}.",
    well="Inchangé depuis son émission.",
    ill="N’est plus tel qu’il a été émis.",
    outcomes={
        Outcome.PROVEN: "prouvé",
        Outcome.NOT_PROVEN: "non prouvé",
        Outcome.FAILED: "échec",
    },
    sentences={
        Sentence.UNCHANGED: (
            "La facture et ses justificatifs n’ont pas été modifiés depuis son émission."
        ),
        Sentence.CHANGED: (
            "La facture ou ses justificatifs ont été modifiés depuis son émission."
        ),
        Sentence.SAME_RATING: (
            "L’énergie mesurée, le tarif et le calcul, refaits, donnent les mêmes lignes et les "
            "mêmes totaux."
        ),
        Sentence.SAME_SUMS: (
            "Les montants, additionnés à nouveau, donnent les mêmes totaux."
        ),
        Sentence.OTHER_NUMBERS: "Le calcul refait donne autre chose.",
        Sentence.OTHER_SOLAR_ENERGY: "L’énergie solaire de la session {place} diffère.",
        Sentence.OTHER_GRID_ENERGY: (
            "L’énergie du réseau de la session {place} diffère."
        ),
        Sentence.OTHER_RATING: "Le calcul du prix de la session {place} diffère.",
        Sentence.OTHER_LINES: "Les lignes de la session {place} diffèrent.",
        Sentence.OTHER_SUM: "Le montant de la session {place} diffère.",
        Sentence.OTHER_TOTALS: "Les totaux diffèrent.",
        Sentence.NO_NUMBERS: (
            "Les justificatifs ne se laissent pas calculer : ils ont été modifiés en quelque chose "
            "d’impossible."
        ),
        Sentence.LOGGED: "Le journal a noté la même empreinte lors de l’émission.",
        Sentence.NOT_LOGGED: "Le journal ne contient pas cette empreinte.",
        Sentence.CHAINED: (
            "La facture occupe la place {place} dans la chaîne de toutes les factures, entre ses "
            "voisines."
        ),
        Sentence.UNCHAINED: "La chaîne des factures est rompue à cette facture.",
        Sentence.NO_READINGS: (
            "Un avoir n’a pas de relevés propres ; sa facture en a."
        ),
        Sentence.READINGS: (
            "Les {count} relevés du compteur eux-mêmes : seule leur empreinte fait partie des "
            "justificatifs. `solarrally verify` compare ceux qui sont encore conservés."
        ),
        Sentence.DOCUMENT: (
            "Que le papier ou le fichier entre vos mains dise la même chose : comparez-en le "
            "numéro, la date et le total, ou donnez le fichier à `solarrally verify`."
        ),
        Sentence.METER: (
            "Que le compteur mesure juste : ses relevés ne portent pas de signature propre."
        ),
        Sentence.DRIVER: (
            "Qui a chargé : une session appartient à la personne à qui elle a été attribuée."
        ),
        Sentence.OPERATOR: (
            "Que personne n’ait réécrit toute la chaîne : qui aurait noté ailleurs un maillon "
            "ultérieur le verrait."
        ),
    },
)

LANGUAGES = {"en": _ENGLISH, "fr": _FRENCH, "de": _GERMAN}

_MARKS = {Outcome.PROVEN: "✓", Outcome.NOT_PROVEN: "–", Outcome.FAILED: "✗"}


_TYPED = re.compile("`([^`]+)`")


def language_of(lang: str, accept_language: str, bill_locale: str) -> str:
    """Return one of LANGUAGES: as asked for, or the browser's, or the bill's, or English."""
    wanted = [lang, *_by_preference(accept_language), bill_locale]
    tags = [tag.replace("_", "-") for tag in wanted if tag]
    return (negotiate_locale(tags, LANGUAGES, sep="-") or "en").lower()


def _by_preference(accept_language: str) -> list[str]:
    """Return the languages of a header, the most wanted first (RFC 9110, 12.5.4)."""
    weighted = []
    for item in accept_language.split(","):
        tag, *parameters = (part.strip() for part in item.split(";"))
        q = next((p[2:] for p in parameters if p.startswith("q=")), "1")
        try:
            weight = float(q)
        except ValueError:
            continue
        if 0 < weight <= 1:
            weighted.append((-weight, tag))
    return [tag for _, tag in sorted(weighted, key=lambda each: each[0])]


def _marked(text: str) -> str:
    """Return a sentence as HTML; what is to be typed stands between backticks in it."""
    return _TYPED.sub(r"<code>\1</code>", escape(text))


def page(verdict: Verdict, language: str) -> str:
    """Return the page in one of LANGUAGES."""
    words = LANGUAGES[language]
    locale = _locale(language, verdict.locale)
    kind = words.bill if verdict.kind is BillKind.BILL else words.credit_note
    title = f"{kind} {escape(verdict.number)}"
    void = ""
    if verdict.credited_by is not None:
        text = words.taken_back.format(number=escape(verdict.credited_by))
        void = f'<p class="failed">{text}</p>'
    total = format_currency(
        verdict.total, verdict.currency, locale=locale, decimal_quantization=False
    )
    energy = format_decimal(
        verdict.energy_wh.scaleb(-3), format="#,##0.000", locale=locale
    )
    state, sums_up = ("failed", words.ill) if verdict.failed else ("proven", words.well)
    others = " · ".join(
        f'<b lang="{each}">{of.language}</b>'
        if each == language
        else f'<a href="?lang={each}" lang="{each}" hreflang="{each}">{of.language}</a>'
        for each, of in LANGUAGES.items()
    )
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif;
  --well: light-dark(#1b6e20, #81c784); --ill: light-dark(#b71c1c, #ef9a9a); }}
body {{ max-width: 40rem; margin: 0 auto; padding: 1rem; }}
nav {{ text-align: right; }} nav > * {{ display: inline-block; padding: .5rem .2rem; }}
h1 {{ font-size: 1.5rem; overflow-wrap: anywhere; margin: .5rem 0; }}
.sum {{ font-weight: 600; }}
dl {{ display: grid; grid-template-columns: max-content 1fr; gap: .2rem 1.2rem; }}
dd {{ margin: 0; overflow-wrap: anywhere; }}
ul {{ list-style: none; padding: 0; }}
li {{ margin: .8rem 0; padding-left: .8rem; border-left: .25rem solid #8a97a3;
  overflow-wrap: anywhere; }}
li b {{ display: block; }}
.proven {{ border-color: var(--well); }} .failed {{ border-color: var(--ill); }}
.proven b, .sum.proven {{ color: var(--well); }}
.failed b, p.failed {{ color: var(--ill); }}
</style></head><body>
<nav>{others}</nav>
<h1>{title}</h1>{void}
<p class="sum {state}">{_MARKS[Outcome(state)]} {sums_up}</p>
<dl><dt>{words.issued_on}</dt><dd>{format_date(verdict.issued_on, "long", locale)}</dd>
<dt>{words.total}</dt><dd>{escape(total)}</dd>
<dt>{words.energy}</dt><dd>{energy}\N{NO-BREAK SPACE}kWh</dd>
<dt>SHA-256</dt><dd><code>{verdict.sha256}</code></dd></dl>
<ul>{"".join(_item(check, words) for check in verdict.checks)}</ul></body></html>
"""


def _item(check: Check, words: Words) -> str:
    text = " ".join(_sentence(each, words) for each in check.said)
    return (
        f'<li class="{check.outcome}"><b>{_MARKS[check.outcome]} '
        f"{words.outcomes[check.outcome]}</b> {_marked(text)}</li>"
    )


def _sentence(said: Said, words: Words) -> str:
    if isinstance(said.text, Sentence):
        return words.sentences[said.text].format_map(said.facts)
    return said.english


def _locale(language: str, bill_locale: str) -> Locale:
    """Return the locale to write numbers in: the bill's own, where it is of the language."""
    try:
        of_bill = Locale.parse(bill_locale.replace("-", "_"))
    except UnknownLocaleError, ValueError:
        of_bill = None
    if of_bill is not None and of_bill.language == language and of_bill.territory:
        return of_bill
    # English alone is written as in Europe, as on bills.
    return Locale.parse("en_GB" if language == "en" else language)
