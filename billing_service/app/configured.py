"""What an installation set, in the words of the parts that it is for."""

from datetime import timedelta

from billing_service.adapters.mqtt import Broker
from billing_service.adapters.ocpi import Site
from billing_service.services.issuing import BillingSettings
from billing_service.services.metering import MeteringSettings
from billing_service.services.ports import Supplier
from billing_service.settings import Settings


def broker_of(settings: Settings) -> Broker:
    """Return where the broker is. Raises SettingsInvalid."""
    return Broker(
        host=settings.mqtt_host,
        port=settings.mqtt_port,
        username=settings.mqtt_username,
        password=settings.read_mqtt_password(),
        prefix=settings.mqtt_topic_prefix,
        tls=settings.mqtt_tls,
        ca_file=str(settings.mqtt_ca_file) if settings.mqtt_ca_file else None,
    )


def metering_settings(settings: Settings) -> MeteringSettings:
    """Return what an installation set of metering."""
    return MeteringSettings(
        max_gap=timedelta(seconds=settings.max_gap_s),
        idle=timedelta(seconds=settings.idle_time_s),
        tolerance=settings.tolerance,
    )


def site_of(settings: Settings) -> Site:
    """Return who operates the stations and where, as OCPI wants to know."""
    return Site(
        country_code=settings.ocpi_country_code,
        party_id=settings.ocpi_party_id,
        address=settings.site_address,
        postal_code=settings.site_postal_code,
        city=settings.site_city,
        country=settings.site_country,
        latitude=settings.site_latitude,
        longitude=settings.site_longitude,
    )


def billing_settings(settings: Settings) -> BillingSettings:
    """Return what bills say of who issues them."""
    return BillingSettings(
        supplier=Supplier(
            name=settings.supplier_name,
            address=settings.supplier_address,
            vat_id=settings.supplier_vat_id or "",
            email=settings.supplier_email or "",
            bill_series=settings.bill_series,
            credit_series=settings.credit_series,
            locale=settings.locale,
            vat_note=settings.vat_note,
            payment_days=settings.payment_days,
            payment_info=settings.payment_info,
        ),
        time_zone=settings.time_zone,
        verify_at=settings.effective_public_url,
        co2_g_per_kwh=settings.co2_g_per_kwh,
    )
