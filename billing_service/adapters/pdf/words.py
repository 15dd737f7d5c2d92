"""The words of a bill in the languages it is printed in."""

from dataclasses import dataclass

from billing_service.domain.bill import BillKind, BillLine
from billing_service.domain.cdr import Limit
from billing_service.domain.period import Source
from billing_service.domain.tariff import Dimension


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything a bill says by itself. Texts with braces are format strings."""

    bill: str
    credit_note: str
    number: str
    date_of_issue: str
    period: str
    corrects: str
    billed_to: str
    vat_id: str
    total: str
    session_one: str
    session_many: str
    station: str
    time: str
    duration: str
    meter: str
    tariff: str
    version: str
    solar: str
    grid: str
    energy: str
    solar_share: str
    solar_energy: str
    grid_energy: str
    charging_time: str
    parking_time: str
    start_fee: str
    reservation: str
    reservation_fee: str
    min_price: str
    max_price: str
    description: str
    quantity: str
    unit_price: str
    vat: str
    amount: str
    net: str
    no_vat: str
    vat_on: str
    power_over_time: str
    no_power: str
    estimated: str
    estimated_note: str
    estimate_item: str
    rounding_note: str
    net_prices: str
    gross_prices: str
    page: str
    hour: str
    minute: str
    per_session: str
    nothing: str
    due: str
    co2_note: str
    no_font: str
    verify: str

    def of_line(self, line: BillLine) -> str:
        """Name what a line charges for."""
        match line.limit, line.dimension:
            case Limit.MIN_PRICE, _:
                return self.min_price
            case Limit.MAX_PRICE, _:
                return self.max_price
            case _, Dimension.FLAT:
                return self.reservation_fee if line.reservation else self.start_fee
            case _, Dimension.TIME:
                return self.reservation if line.reservation else self.charging_time
            case _, Dimension.PARKING_TIME:
                return self.parking_time
            case _:
                named = {
                    Source.SOLAR: self.solar_energy,
                    Source.GRID: self.grid_energy,
                }
                return named.get(line.source or Source.NONE, self.energy)

    def of_kind(self, kind: BillKind) -> str:
        """Name the document."""
        return self.bill if kind is BillKind.BILL else self.credit_note


_ENGLISH = Words(
    bill="Bill",
    credit_note="Credit note",
    number="Number",
    date_of_issue="Date of issue",
    period="Period",
    corrects="Corrects",
    billed_to="Billed to",
    vat_id="VAT ID",
    total="Total",
    session_one="Charging session",
    session_many="{count} charging sessions",
    station="Station",
    time="Time",
    duration="Duration",
    meter="Meter readings",
    tariff="Tariff",
    version="version {version}",
    solar="Solar",
    grid="Grid",
    energy="Energy",
    solar_share="Solar share",
    solar_energy="Solar energy",
    grid_energy="Grid energy",
    charging_time="Charging time",
    parking_time="Parking time",
    start_fee="Start fee",
    reservation="Reservation",
    reservation_fee="Reservation fee",
    min_price="Adjustment to the minimum price",
    max_price="Adjustment to the maximum price",
    description="Description",
    quantity="Quantity",
    unit_price="Unit price",
    vat="VAT",
    amount="Amount",
    net="Net amount",
    no_vat="no VAT",
    vat_on="VAT {rate} on {net}",
    power_over_time="Charging power",
    no_power="No power readings.",
    estimated="estimated",
    estimated_note=(
        "Estimated: readings of these stretches are missing or no longer kept; their energy is "
        "known, but not when within them it flowed."
    ),
    estimate_item="{time}: {energy}",
    rounding_note=(
        "Each line is rounded once, half up, to the smallest unit of the currency ({mode}); "
        "totals are sums of the printed lines, VAT is computed per rate."
    ),
    net_prices="Prices and amounts are without VAT.",
    gross_prices="Prices and amounts include VAT.",
    page="Page {page} of {pages}",
    hour="h",
    minute="min",
    per_session="session",
    nothing="Nothing to charge for.",
    due="To be paid by",
    no_font="□ stands for a letter that no font here has. The bill as JSON has it.",
    co2_note="CO₂ avoided: about {mass}, which is {energy} of solar energy × {factor} g/kWh of the grid.",
    verify="See what is proven of this bill, and what is not",
)

_GERMAN = Words(
    bill="Rechnung",
    credit_note="Rechnungskorrektur",
    number="Nummer",
    date_of_issue="Rechnungsdatum",
    period="Zeitraum",
    corrects="Berichtigt",
    billed_to="Rechnung an",
    vat_id="USt-IdNr.",
    total="Gesamtbetrag",
    session_one="Ladevorgang",
    session_many="{count} Ladevorgänge",
    station="Ladestation",
    time="Zeit",
    duration="Dauer",
    meter="Zählerstände",
    tariff="Tarif",
    version="Version {version}",
    solar="Solar",
    grid="Netz",
    energy="Energie",
    solar_share="Solaranteil",
    solar_energy="Solarstrom",
    grid_energy="Netzstrom",
    charging_time="Ladezeit",
    parking_time="Standzeit",
    start_fee="Startgebühr",
    reservation="Reservierung",
    reservation_fee="Reservierungsgebühr",
    min_price="Ausgleich zum Mindestpreis",
    max_price="Ausgleich zum Höchstpreis",
    description="Beschreibung",
    quantity="Menge",
    unit_price="Einzelpreis",
    vat="USt.",
    amount="Betrag",
    net="Nettobetrag",
    no_vat="ohne USt.",
    vat_on="USt. {rate} auf {net}",
    power_over_time="Ladeleistung",
    no_power="Keine Leistungswerte.",
    estimated="geschätzt",
    estimated_note=(
        "Geschätzt: Messwerte dieser Abschnitte fehlen oder sind nicht mehr gespeichert; ihre "
        "Energie ist bekannt, aber nicht, wann darin sie floss."
    ),
    estimate_item="{time}: {energy}",
    rounding_note=(
        "Jede Zeile wird einmal kaufmännisch auf die kleinste Währungseinheit gerundet ({mode}); "
        "Summen sind Summen der gedruckten Zeilen, die USt. wird je Steuersatz berechnet."
    ),
    net_prices="Preise und Beträge ohne USt.",
    gross_prices="Preise und Beträge inklusive USt.",
    page="Seite {page} von {pages}",
    hour="h",
    minute="min",
    per_session="Vorgang",
    nothing="Nichts zu berechnen.",
    due="Zahlbar bis",
    no_font="□ steht für ein Zeichen, das hier keine Schrift hat. Die Rechnung als JSON hat es.",
    co2_note="CO₂ vermieden: etwa {mass}, das sind {energy} Solarstrom × {factor} g/kWh des Netzes.",
    verify="Was an dieser Rechnung bewiesen ist und was nicht",
)

_FRENCH = Words(
    bill="Facture",
    credit_note="Avoir",
    number="Numéro",
    date_of_issue="Date d’émission",
    period="Période",
    corrects="Rectifie",
    billed_to="Facturé à",
    vat_id="N° TVA",
    total="Total",
    session_one="Session de recharge",
    session_many="{count} sessions de recharge",
    station="Borne",
    time="Horaire",
    duration="Durée",
    meter="Relevés du compteur",
    tariff="Tarif",
    version="version {version}",
    solar="Solaire",
    grid="Réseau",
    energy="Énergie",
    solar_share="Part solaire",
    solar_energy="Énergie solaire",
    grid_energy="Énergie du réseau",
    charging_time="Temps de recharge",
    parking_time="Temps de stationnement",
    start_fee="Frais de démarrage",
    reservation="Réservation",
    reservation_fee="Frais de réservation",
    min_price="Ajustement au prix minimum",
    max_price="Ajustement au prix maximum",
    description="Description",
    quantity="Quantité",
    unit_price="Prix unitaire",
    vat="TVA",
    amount="Montant",
    net="Montant HT",
    no_vat="sans TVA",
    vat_on="TVA {rate} sur {net}",
    power_over_time="Puissance de recharge",
    no_power="Aucune mesure de puissance.",
    estimated="estimé",
    estimated_note=(
        "Estimé : les mesures de ces intervalles manquent ou ne sont plus conservées ; leur "
        "énergie est connue, mais pas sa répartition dans le temps."
    ),
    estimate_item="{time} : {energy}",
    rounding_note=(
        "Chaque ligne est arrondie une fois, au plus proche, à la plus petite unité monétaire "
        "({mode}) ; les totaux sont les sommes des lignes imprimées, la TVA est calculée par taux."
    ),
    net_prices="Prix et montants hors TVA.",
    gross_prices="Prix et montants TVA comprise.",
    page="Page {page} sur {pages}",
    hour="h",
    minute="min",
    per_session="session",
    nothing="Rien à facturer.",
    due="À payer avant le",
    no_font="□ remplace un caractère qu’aucune police n’a ici. La facture en JSON l’a.",
    co2_note="CO₂ évité : environ {mass}, soit {energy} d’énergie solaire × {factor} g/kWh du réseau.",
    verify="Ce qui est prouvé de cette facture, et ce qui ne l’est pas",
)

LANGUAGES = {"en": _ENGLISH, "de": _GERMAN, "fr": _FRENCH}


def words_for(language: str) -> Words:
    """Return the words of a language code; English for one that is not spoken here."""
    return LANGUAGES.get(language, _ENGLISH)
