"""What SecOps's backend cannot say, in YARA-L 2.0: no engine of it runs here, so it is held to the Sigma rules."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest
from sigma.backends.secops import SecOpsBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.rule import SigmaRule

from streamer import avro
from streamer.siem.forms import FORMS
from streamer.wire.avsc import schema_json
from tests.golden.siem.cases import CASES
from tests.siem import hunting, yaral
from tests.siem.published import flat

SHIPPED: Final = {name: text for name, text in hunting.shipped().items() if name.endswith(".yaral")}
TITLES: Final = {text.partition("\n")[0].removeprefix("// "): name[:2] for name, text in SHIPPED.items()}
CORRELATIONS: Final = hunting.correlations()
RULES: Final = [(name, rule) for name, text in hunting.sources().items() for rule in hunting.parsed(text).rules]
ALERTS: Final = list(hunting.alerts())
GROUPED: Final = {  # the field that a correlation groups by -> as our JSON form has it
    "source": "source",
    "cisco.intersight.oauth_token.source": "source",
    "cisco.intersight.oauth_token.user_moid": "after.user_moid",
    "entity.id": "moid",
}


def test_what_the_backend_cannot_say_is_there() -> None:
    """Under the number and with the title of its rule: correlations, booleans, and rule 1, whose `not` gets lost."""
    refused = {rule.title: name[:2] for name, rule in RULES if rule.title in ALERTS and not converted(rule)}

    assert refused | {"Intersight OAuth2 Token Launched From An Unapproved Address": "01"} == TITLES


def converted(rule: SigmaRule | SigmaCorrelationRule) -> bool:
    """Whether the published backend takes it."""
    try:
        return isinstance(rule, SigmaRule) and bool(SecOpsBackend().convert(SigmaCollection([rule])))
    except NotImplementedError:
        return False


@pytest.mark.parametrize("name", SHIPPED)
def test_the_grammar_takes_it(name: str) -> None:
    """Each is one rule, whole."""
    assert yaral.wrong(SHIPPED[name]) == []
    assert len(re.findall(r"^rule \w+ \{$", SHIPPED[name], re.MULTILINE)) == 1


@pytest.mark.parametrize("broken", [("  match:", "  match"), ("over ", "during "), ("\n}\n", "\n"), (" and ", " et ")])
def test_the_grammar_bites(broken: tuple[str, str]) -> None:
    """A rule that is none is told, with its place."""
    text = SHIPPED["04_burst_for_one_user.yaral"]

    assert broken[0] in text
    assert yaral.wrong(text.replace(*broken))


@pytest.mark.parametrize("name", SHIPPED)
def test_it_speaks_of_fields_that_are_there(name: str) -> None:
    """A misspelt one would keep the rule quiet, and nothing would say so."""
    lines = [json.loads(FORMS["json"](event)) for event in CASES.values()]
    known = {field for line in lines for field, _ in flat(line)}
    known |= {field["name"] for field in schema_json(avro.REPORT)["fields"]}

    assert yaral.fields(SHIPPED[name])
    assert yaral.fields(SHIPPED[name]) <= known


@pytest.mark.parametrize("title", TITLES)
def test_it_is_as_severe_as_the_sigma_rule_and_names_it(title: str) -> None:
    """Whoever is alerted finds the rule by its identity."""
    (rule,) = (rule for _, rule in RULES if rule.title == title)
    text = next(text for text in SHIPPED.values() if text.startswith(f"// {title}\n"))

    assert f'severity = "{rule.level.name}"' in text
    assert f'reference = "Sigma {rule.id}"' in text


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_says_what_the_sigma_rule_says(name: str) -> None:
    """The same window, the same number, grouped by the same."""
    rule, text = CORRELATIONS[name], SHIPPED[f"{name}.yaral"]
    (group,) = rule.group_by
    (variable,) = re.findall(rf"^  match:\n    \$(\w+) over {rule.timespan.spec}$", text, re.MULTILINE)
    (condition,) = re.findall(r"^  condition:\n(.*)$", text, re.MULTILINE)
    number = int(condition.partition(" >= ")[2] or condition.count("$"))  # so many, or all of these events
    field = re.escape(f'.extracted.fields["{GROUPED[group]}"]')

    assert re.search(rf"(\${variable} = \$\w+{field}|\$\w+{field} = \${variable})$", text, re.MULTILINE)
    assert number == rule.condition.count
