"""Money, quantities and times as people of a locale write them."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from zoneinfo import ZoneInfo

from babel import Locale, UnknownLocaleError
from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_currency, format_decimal, format_percent

from billing_service.adapters.pdf.words import Words, words_for
from billing_service.domain.bill import BillLine
from billing_service.domain.tariff import Dimension

MINUS = "\N{MINUS SIGN}"


class Formats:
    """Formats for one locale. It formats only: what is printed was computed before."""

    def __init__(self, locale: str) -> None:
        """Take a locale such as ``de``, ``en_US`` or ``fr-CH``. Raises ValueError if unknown.

        ``en`` alone is written as in Europe: 16 Jun 2026, 14:00.
        """
        name = "en_GB" if locale == "en" else locale.replace("-", "_")
        try:
            self.locale = Locale.parse(name)
        except UnknownLocaleError as error:
            raise ValueError(f"there is no locale {locale!r}") from error
        self.words: Words = words_for(self.locale.language)

    @property
    def language(self) -> str:
        """The language tag for the document, RFC 5646."""
        return str(self.locale).replace("_", "-")

    def money(self, amount: Decimal, currency: str) -> str:
        """Format an amount that is rounded already: every decimal it has is printed."""
        return _minus(
            format_currency(
                amount,
                currency,
                locale=self.locale,
                decimal_quantization=False,
            )
        )

    def price(self, price: Decimal, currency: str) -> str:
        """Format a unit price with all its decimals, at least the currency's."""
        return self.money(price, currency)

    def kwh(self, wh: Decimal) -> str:
        """Format energy given in Wh as kWh to the Wh."""
        return f"{self.number(wh.scaleb(-3), 3)}\N{NO-BREAK SPACE}kWh"

    def kilograms(self, grams: Decimal) -> str:
        """Format a mass given in g as kg."""
        return f"{self.number(grams.scaleb(-3), 2)}\N{NO-BREAK SPACE}kg"

    def number(self, value: Decimal, places: int) -> str:
        """Format with a fixed number of decimals."""
        pattern = "#,##0" + ("." + "0" * places if places else "")
        return _minus(format_decimal(value, format=pattern, locale=self.locale))

    def plain_number(self, value: float) -> str:
        """Format an axis label with the decimals it needs."""
        return format_decimal(value, format="#,##0.##", locale=self.locale)

    def percent(self, percent: Decimal) -> str:
        """Format a rate such as 19 or 5.5."""
        return format_percent(
            percent / 100, locale=self.locale, decimal_quantization=False
        )

    def quantity(self, line: BillLine) -> str:
        """Format what a line charges for, in its unit."""
        match line.dimension:
            case Dimension.ENERGY:
                # More than a Wh only where a price began in the middle of one.
                return f"{self.number(line.quantity, 3)}\N{NO-BREAK SPACE}kWh"
            case Dimension.FLAT:
                return self.number(line.quantity, 0)
            case _:
                return self.hours(line.quantity)

    def unit(self, line: BillLine) -> str:
        """Name the unit that a price is for."""
        match line.dimension:
            case Dimension.ENERGY:
                return "kWh"
            case Dimension.FLAT:
                return self.words.per_session
            case _:
                return self.words.hour

    def hours(self, hours: Decimal) -> str:
        """Format hours as hours, minutes and, where they matter, seconds."""
        sign = MINUS if hours < 0 else ""
        return sign + self.duration(timedelta(seconds=round(float(abs(hours)) * 3600)))

    def duration(self, length: timedelta) -> str:
        """Format a length of time."""
        minutes, seconds = divmod(round(length.total_seconds()), 60)
        hours, minutes = divmod(minutes, 60)
        space = "\N{NO-BREAK SPACE}"
        parts = []
        if hours:
            parts.append(f"{hours}{space}{self.words.hour}")
        if minutes or not (hours or seconds):
            parts.append(f"{minutes}{space}{self.words.minute}")
        if seconds:
            parts.append(f"{seconds}{space}s")
        return space.join(parts)

    def day(self, day: date) -> str:
        """Format a date with the month's name."""
        return format_date(day, format="medium", locale=self.locale)

    def clock(self, at: datetime, zone: str) -> str:
        """Format a local time of day."""
        return format_time(
            at, format="short", tzinfo=ZoneInfo(zone), locale=self.locale
        )

    def day_and_month(self, at: datetime, zone: str) -> str:
        """Format a local date without its year."""
        return format_skeleton(
            "MMMd", at.astimezone(ZoneInfo(zone)), locale=self.locale
        )

    def span(self, started_at: datetime, ended_at: datetime, zone: str) -> str:
        """Format a local stretch of time; the date is repeated when it changes."""
        first = started_at.astimezone(ZoneInfo(zone))
        last = ended_at.astimezone(ZoneInfo(zone))
        end = self.clock(ended_at, zone)
        if last.date() != first.date():
            end = f"{self.day(last.date())}, {end}"
        return f"{self.day(first.date())}, {self.clock(started_at, zone)} – {end}"

    def days(self, first: date, last: date) -> str:
        """Format a period of days."""
        if first == last:
            return self.day(first)
        return f"{self.day(first)} – {self.day(last)}"


def _minus(text: str) -> str:
    # A hyphen is too short to be seen in front of an amount.
    return text.replace("-", MINUS)
