"""The correlations in YARA-L 2.0, for Google SecOps: no engine of it runs here, so they are held to the Sigma rules."""

from __future__ import annotations

import json
import re
from typing import Final

import pytest

from streamer import avro
from streamer.siem.forms import FORMS
from tests.golden.siem.cases import CASES
from tests.siem import hunting, yaral
from tests.siem.published import flat

SHIPPED: Final = {name: text for name, text in hunting.shipped().items() if name.endswith(".yaral")}
CORRELATIONS: Final = hunting.correlations()
GROUPED: Final = {  # the field that a correlation groups by -> as our JSON form has it
    "source": "source",
    "cisco.intersight.oauth_token.source": "source",
    "cisco.intersight.oauth_token.user_moid": "after.user_moid",
    "entity.id": "moid",
}


def test_every_correlation_has_one() -> None:
    """Under the number and with the title of its rule."""
    titles = {name: text.partition("\n")[0].removeprefix("// ") for name, text in SHIPPED.items()}

    assert titles == {f"{name}.yaral": rule.title for name, rule in CORRELATIONS.items()}


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
    known |= {field["name"] for field in json.loads(avro.schema_text(avro.REPORT))["fields"]}

    assert yaral.fields(SHIPPED[name])
    assert yaral.fields(SHIPPED[name]) <= known


@pytest.mark.parametrize("name", CORRELATIONS)
def test_it_says_what_the_sigma_rule_says(name: str) -> None:
    """The same window, the same number, grouped by the same, as severe, and named by its identity."""
    rule, text = CORRELATIONS[name], SHIPPED[f"{name}.yaral"]
    (group,) = rule.group_by
    (variable,) = re.findall(rf"^  match:\n    \$(\w+) over {rule.timespan.spec}$", text, re.MULTILINE)
    (condition,) = re.findall(r"^  condition:\n(.*)$", text, re.MULTILINE)
    number = int(condition.partition(" >= ")[2] or condition.count("$"))  # so many, or all of these events
    field = re.escape(f'.extracted.fields["{GROUPED[group]}"]')

    assert re.search(rf"(\${variable} = \$\w+{field}|\$\w+{field} = \${variable})$", text, re.MULTILINE)
    assert number == rule.condition.count
    assert f'severity = "{rule.level.name}"' in text
    assert f'reference = "Sigma {rule.id}"' in text
