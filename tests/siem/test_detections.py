"""The detections as files: valid Sigma, about fields that are there, and what each SIEM's backend makes of them."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from importlib import resources
from pathlib import Path
from typing import Any, Final

import pytest
import yaml
from jsonschema import Draft202012Validator
from sigma.backends.elasticsearch import ESQLBackend, LuceneBackend
from sigma.backends.kusto import KustoBackend
from sigma.backends.secops import SecOpsBackend
from sigma.backends.splunk import SplunkBackend
from sigma.collection import SigmaCollection
from sigma.correlations import SigmaCorrelationRule
from sigma.data import mitre_attack
from sigma.processing.pipeline import ProcessingPipeline
from sigma.rule import SigmaRule
from sigma.validation import SigmaValidator
from sigma.validators.core import validators

from streamer import avro
from streamer.siem.ecs import ecs
from streamer.wire.avsc import schema_json
from tests.golden.siem.cases import CASES
from tests.siem import hunting
from tests.siem.published import flat

NEED_A_NETWORK: Final = {"d3_fendtag"}  # it downloads what D3FEND is today
CARRIED: Final = resources.files("sigmalint.data.vendored")  # the linter itself is not used
SCHEMAS: Final = {  # as the specification's repository has them: sigma/ORIGIN.md
    kind: json.loads((Path(__file__).parent / "sigma" / f"sigma-{name}-schema.json").read_text("utf-8"))
    for kind, name in (("detection", "detection-rule"), ("correlation", "correlation-rules"))
}
FORMATS: Final = Draft202012Validator.FORMAT_CHECKER
SOURCES: Final = hunting.sources()
CORRELATED: Final = ("03", "04", "06", "11", "12", "13")
REPORT: Final = {field["name"] for field in schema_json(avro.REPORT)["fields"]}
SPLUNK: Final = ProcessingPipeline.from_yaml(hunting.shipped()["splunk-pipeline.yaml"])

# What the published backends refuse, by the numbers of our files; README's table says the same.
REFUSED: Final[dict[str, tuple[Callable[[], Any], tuple[str, ...]]]] = {
    "Splunk SPL": (lambda: SplunkBackend(SPLUNK), ()),
    "Elasticsearch ES|QL": (ESQLBackend, ()),
    "Elasticsearch Lucene": (LuceneBackend, CORRELATED),
    "Kusto": (KustoBackend, CORRELATED),
    "Google SecOps": (SecOpsBackend, (*CORRELATED, "05", "08")),  # 05, 08: no booleans
}


def test_the_fourteen_are_there() -> None:
    """One file for each rule that Sigma can say; for the one that it cannot, a search in each SIEM's language."""
    numbers = [name[:2] for name in SOURCES]
    beside = {name for name in hunting.shipped() if not name[0].isdigit()}

    assert numbers == [f"{number:02}" for number in range(1, 14)]
    assert beside == {*(f"silence.{of}" for of in ("spl", "esql", "kql", "lucene.json")), "splunk-pipeline.yaml"}


@pytest.fixture(scope="module", name="_attack")
def __attack(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """What ATT&CK is, from the linter's copy instead of the network."""
    mitre_attack.set_cache_dir(str(tmp_path_factory.mktemp("attack")))
    mitre_attack.set_url(str(CARRIED / "enterprise-attack.json"))
    yield
    mitre_attack._get_cache().close()


@pytest.mark.parametrize("name", SOURCES)
def test_every_rule_and_correlation_is_one_by_its_schema(name: str) -> None:
    """The specification's own JSON schemas have nothing against it: types, identities, dates, what must be there."""
    found = [document for document in yaml.safe_load_all(_dates_as_text(SOURCES[name])) if document]

    assert {"correlation" in rule for rule in found} == ({True, False} if name[:2] in CORRELATED else {False})
    assert [wrong for rule in found for wrong in _wrong(rule)] == []


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (("date: 2026", "date: 26"), "does not match"),
        (("id: 79275d14", "id: 7927514"), "is not a 'uuid'"),
        (("  timespan: 10m\n", ""), "'timespan' is a required property"),
        (("level: high", "level: grave"), "is not valid"),
        (("  type: event_count", "  type: events"), "is not valid"),
        (("  condition: selection\n", ""), "'condition' is a required property"),
    ],
)
def test_the_schemas_bite(change: tuple[str, str], said: str) -> None:
    """A rule that breaks the specification is told: the test above is about something."""
    text = SOURCES["04_burst_for_one_user.yml"]

    assert change[0] in text
    broken = yaml.safe_load_all(_dates_as_text(text.replace(*change)))
    assert said in " ".join(wrong for rule in broken for wrong in _wrong(rule))


@pytest.mark.usefixtures("_attack")
@pytest.mark.parametrize("name", SOURCES)
def test_every_rule_is_valid(name: str) -> None:
    """PySigma reads it without an error, and none of its validators that need no network has anything to say."""
    chosen = {validators[key] for key in validators.keys() - NEED_A_NETWORK}
    issues = SigmaValidator(chosen).validate_rules(iter(hunting.parsed(SOURCES[name]).rules))

    assert issues == []


def test_identities_are_unique() -> None:
    """Two rules of one id would replace one another in a SIEM, and two of one title confuse its people."""
    rules = [rule for text in SOURCES.values() for rule in hunting.parsed(text).rules]

    assert len({rule.id for rule in rules}) == len({rule.title for rule in rules}) == len(rules)
    assert all(rule.id for rule in rules)


@pytest.mark.parametrize("name", SOURCES)
def test_rules_speak_of_fields_that_are_there(name: str) -> None:
    """A rule about a misspelt field would never fire, and nothing would say so."""
    ours = {field for event in CASES.values() for field, _ in flat(ecs(event))}
    known = {"intersight.oauth_token": ours, "intersight.oauth_token_snapshots": REPORT}
    collection = hunting.parsed(SOURCES[name])

    for rule in collection.rules:
        assert set(_fields(rule)) <= known[hunting.service(collection, rule.title)], rule.title


@pytest.mark.parametrize("siem", REFUSED)
@pytest.mark.parametrize("name", SOURCES)
def test_what_each_backend_makes_of_a_rule(siem: str, name: str) -> None:
    """It is converted, but for those that README says it is not: a list that is as long as it must be."""
    make, refused = REFUSED[siem]
    collection = SigmaCollection.from_yaml(SOURCES[name])

    if name[:2] in refused:
        with pytest.raises(NotImplementedError):
            make().convert(collection)
    else:
        assert all(make().convert(collection))


def test_splunk_is_told_where_to_look_and_what_its_lists_are_called() -> None:
    """The pipeline beside the rules names the source types of our renderings, and JSON arrays as Splunk names them."""
    (privilege,) = SplunkBackend(SPLUNK).convert(hunting.parsed(SOURCES["10_privilege_changed.yml"]))
    *_, outlived = SplunkBackend(SPLUNK).convert(hunting.parsed(SOURCES["03_outlived_expiry.yml"]))

    assert 'sourcetype="cisco:intersight:oauth_token:ecs"' in privilege
    assert 'change_kinds{}" IN ("*identity*"' in privilege
    assert 'sourcetype="cisco:intersight:oauth_token:snapshot"' in outlived
    assert "by _time intersight_source" in outlived


def test_kusto_takes_names_for_texts() -> None:
    """Its backend quotes a dotted name as KQL quotes a text: as long as this is so, the rules are there in KQL too."""
    (text,) = KustoBackend().convert(hunting.parsed(SOURCES["05_login_network_changed.yml"]))

    assert text.startswith("'event.action' =~ ")


def test_secops_loses_the_exception_of_rule_1() -> None:
    """Its backend drops a NOT before a network: README says to put it back by hand, as long as this is so."""
    (text,) = SecOpsBackend().convert(hunting.parsed(SOURCES["01_unapproved_address.yml"]))

    assert 'AND (net.ip_in_range_cidr(client.ip, "10.0.0.0/8")' in text


def _dates_as_text(text: str) -> str:
    """YAML makes a date of an unquoted one; the schemas, which are JSON's, want its text."""
    return re.sub(r"^date: (\S+)$", r'date: "\1"', text, flags=re.MULTILINE)


def _wrong(rule: dict[str, Any]) -> list[str]:
    schema = SCHEMAS["correlation" if "correlation" in rule else "detection"]
    return [error.message for error in Draft202012Validator(schema, format_checker=FORMATS).iter_errors(rule)]


def _fields(rule: SigmaRule | SigmaCorrelationRule) -> Iterator[str]:
    if isinstance(rule, SigmaCorrelationRule):
        yield from rule.group_by or ()
        counted = getattr(rule.condition, "fieldref", None)
        yield from counted if isinstance(counted, list) else filter(None, [counted])
        return
    for detection in rule.detection.detections.values():
        yield from (item.field for item in detection.detection_items)
