"""Nobody is shown a regular expression: every pattern has a rule in plain words."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from billing_service import patterns
from billing_service.api.application import create_api
from billing_service.settings import Settings
from tests.api.harness import Api, code, problem

_ANY_ID = "%C3%A9"
"""An é, which no id has."""


_DECIMAL = "^(?!^[-+.]*$)"
"""How what Pydantic describes of a decimal's digits begins: it checks those as a number."""


def _patterns(schema: Any) -> Iterator[str]:
    """Yield every pattern in a JSON schema, or in a document that has some."""
    if isinstance(schema, dict):
        pattern = schema.get("pattern")
        if isinstance(pattern, str) and not pattern.startswith(_DECIMAL):
            yield pattern
        schema = list(schema.values())
    if isinstance(schema, list):
        for each in schema:
            yield from _patterns(each)


def test_every_pattern_of_the_api_and_the_settings_has_its_rule() -> None:
    """None is missing, and none is left of what is gone."""
    described = set(_patterns(create_api().openapi()))
    set_ = set(_patterns(Settings.model_json_schema()))
    in_code = {patterns.BILL_SERIES}
    assert described | set_ | in_code == patterns.RULES.keys()


def test_the_description_hides_no_route_from_the_check() -> None:
    """What is not described would not be looked at above."""
    hidden = [
        route
        for route in create_api().routes
        if getattr(route, "include_in_schema", True) is False
        and getattr(route, "dependant", None) is not None
    ]
    assert hidden == []


def test_each_constant_has_a_rule() -> None:
    """A pattern that was only just written down, too; and each rule is a sentence's end."""
    named = {
        value
        for name, value in vars(patterns).items()
        if name.isupper() and isinstance(value, str)
    }
    assert named == patterns.RULES.keys()
    for rule in patterns.RULES.values():
        assert re.fullmatch(r"must (not )?be .*[^.]", rule), rule


def _with_a_pattern() -> list[tuple[str, str, str, str]]:
    """Return method, path, parameter and pattern of every parameter that has one."""
    return [
        (method, path, parameter["name"], pattern)
        for path, of in create_api().openapi()["paths"].items()
        for method, route in of.items()
        for parameter in route.get("parameters", ())
        for pattern in _patterns(parameter)
    ]


async def test_every_parameter_says_its_rule(api: Api) -> None:
    """In the path and in the query, of every route."""
    tried = 0
    for method, path, name, pattern in _with_a_pattern():
        bad = "\N{LATIN SMALL LETTER E WITH ACUTE}"
        if pattern == patterns.SOUGHT:
            bad = "\0"
        query = {} if f"{{{name}}}" in path else {name: bad}
        where = re.sub(r"{\w+}", lambda part: _ANY_ID, path)
        answer = await api.request("admin", method.upper(), where, params=query)
        assert code(answer) == (422, "invalid_request"), (method, path, name)
        said = {
            each["path"].split(".")[-1]: each["message"]
            for each in problem(answer)["errors"]
        }
        assert said[name] == patterns.RULES[pattern], (method, path, name)
        tried += 1
    assert tried > 30


@pytest.mark.parametrize(
    ("path", "body", "field", "rule"),
    [
        (
            "/stations/",
            {"id": "My Garage"},
            "body.id",
            "must be 1 to 32 of a-z, 0-9, _ and -",
        ),
        (
            "/service-tokens/",
            {"name": "a\tb", "scopes": ["x"]},
            "body.name",
            "must be one line, without tabs and other control characters",
        ),
    ],
)
async def test_a_field_says_its_rule(
    api: Api, path: str, body: dict[str, Any], field: str, rule: str
) -> None:
    """As a person reads it."""
    answer = await api.request("admin", "POST", path, json=body)
    assert problem(answer)["errors"] == [{"path": field, "message": rule}]


def test_a_pattern_without_a_rule_is_not_shown_either() -> None:
    """Should one be forgotten all the same."""
    assert (
        patterns.in_words(
            {"type": "string_pattern_mismatch", "ctx": {"pattern": "^x$"}, "msg": "^x$"}
        )
        == "has a form that is not allowed"
    )
