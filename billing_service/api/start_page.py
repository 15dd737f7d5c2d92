"""The start page: without scripts or anything from elsewhere, fits a phone."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Everything the page says, in one language."""

    title: str
    what: str
    links: dict[str, str]
    sign_in: str
    how: str
    then: str


_ENGLISH = Words(
    title="SolarRally billing service",
    what=(
        "Takes in what charging stations measure and turns it into charging sessions, costs and"
        " bills. This is its API; programs speak to it."
    ),
    links={
        "/openapi.json": "the API’s description (OpenAPI)",
        "/healthz": "whether the service lives",
        "/readyz": "whether database and broker can be reached",
    },
    sign_in="Sign in",
    how="Send name and password, and get a token that holds for 15 minutes:",
    then="Send it with each request:",
)

_FRENCH = Words(
    title="Service de facturation SolarRally",
    what=(
        "Reçoit les mesures des bornes de recharge et en fait des sessions, des coûts et des"
        " factures. Voici son API ; des programmes s’en servent."
    ),
    links={
        "/openapi.json": "la description de l’API (OpenAPI)",
        "/healthz": "si le service fonctionne",
        "/readyz": "si la base de données et le broker sont joignables",
    },
    sign_in="Se connecter",
    how="Envoyez nom et mot de passe pour recevoir un jeton valable 15 minutes :",
    then="Joignez-le à chaque requête :",
)

_GERMAN = Words(
    title="SolarRally-Abrechnungsdienst",
    what=(
        "Nimmt auf, was Ladestationen messen, und macht daraus Ladevorgänge, Kosten und"
        " Rechnungen. Dies ist seine API; Programme sprechen mit ihr."
    ),
    links={
        "/openapi.json": "die Beschreibung der API (OpenAPI)",
        "/healthz": "ob der Dienst lebt",
        "/readyz": "ob Datenbank und Broker erreichbar sind",
    },
    sign_in="Anmelden",
    how="Name und Passwort senden; zurück kommt ein Token, das 15 Minuten gilt:",
    then="Bei jeder Anfrage mitsenden:",
)

LANGUAGES = {"en": _ENGLISH, "fr": _FRENCH, "de": _GERMAN}


def page(language: str) -> str:
    """Return the page in one of LANGUAGES."""
    words = LANGUAGES[language]
    links = "".join(
        f'<li><a href="{path}"><code>{path}</code></a> {what}</li>'
        for path, what in words.links.items()
    )
    return f"""<!doctype html>
<html lang="{language}"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="robots" content="noindex">
<title>{words.title}</title>
<style>
:root {{ color-scheme: light dark; font: 1rem/1.5 system-ui, sans-serif; }}
body {{ max-width: 40rem; margin: 0 auto; padding: 1rem; }}
h1 {{ font-size: 1.5rem; }} h2 {{ font-size: 1.2rem; }}
ul {{ padding-left: 1.2rem; }} li {{ padding: .4rem 0; }}
pre {{ overflow-x: auto; padding: .8rem; border: 1px solid #8a97a3; border-radius: .4rem; }}
</style></head><body>
<h1>{words.title}</h1>
<p>{words.what}</p>
<ul>{links}</ul>
<h2>{words.sign_in}</h2>
<p>{words.how}</p>
<pre>POST /auth/token
Content-Type: application/x-www-form-urlencoded

grant_type=password&amp;username=…&amp;password=…</pre>
<p>{words.then}</p>
<pre>Authorization: Bearer …</pre></body></html>
"""
