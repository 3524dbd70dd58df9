"""Splunk's side: `props.conf` for the source types that the renderings use, with CIM's Change fields.

Question: `_time` comes with the event (Connect, OpenTelemetry, Vector each send the event's own time); why is it in
here again? Choice: for whatever else brings the same lines in (a file, a raw HEC endpoint), the same time. Question:
long events? Choice: `TRUNCATE` above the largest event; the limit of the JSON extraction is told in a comment, for it
belongs to another file. Question: who is CIM's `user`, the one who made the change? Choice: of a created token its
user, of a deleted one the actor of the audit record; else nobody: an actor is never guessed.
"""

from __future__ import annotations

from typing import Final

from streamer.siem.deployment import FORMS, REPORT, Deployment
from streamer.siem.pipelines.otel import REPORTS, SOURCETYPES
from streamer.siem.pipelines.writing import comments

NOTES: Final = (
    "Made by `streamer siem splunk-props`: props.conf of the search heads and of whatever parses first.",
    "Searches see fields beyond the first 5,000 letters of an event only with this in limits.conf:",
    "  [spath]",
    "  extraction_cutoff = 2097152",
    "CIM's Change data model finds the events by a tag, in eventtypes.conf and tags.conf:",
    "  [cisco_intersight_oauth_token]",
    '  search = sourcetype="cisco:intersight:oauth_token"',
    "  [eventtype=cisco_intersight_oauth_token]",
    "  change = enabled",
)
PARSING: Final = """\
KV_MODE = json
SHOULD_LINEMERGE = false
LINE_BREAKER = ([\\r\\n]+)
TRUNCATE = 2097152
CHARSET = UTF-8
TZ = UTC
MAX_TIMESTAMP_LOOKAHEAD = 32
MAX_DAYS_AGO = 10951
"""
SOURCE: Final = 'EVAL-intersight_source = json_extract(_raw, "source")\n'  # `source` itself is Splunk's own
CHANGE: Final = """\
FIELDALIAS-object_id = moid AS object_id
EVAL-action = event_type
EVAL-change_type = "AAA"
EVAL-object_category = "oauth_token"
EVAL-object = coalesce('after.client_name', 'before.client_name', moid)
EVAL-user = case(event_type=="deleted", 'delete_evidence.actor', event_type=="created", 'user.email')
EVAL-src = case(event_type=="deleted", 'delete_evidence.actor_ip', event_type=="created", 'after.client_ip_address')
EVAL-status = "success"
EVAL-vendor_product = "Cisco Intersight"
"""


def render(deployment: Deployment) -> str:
    """The file; it is the same for every deployment."""
    return "\n".join(
        (
            comments(NOTES),
            _stanza(SOURCETYPES["json"], deployment.events.form.time) + CHANGE,
            _stanza(REPORTS, REPORT.time),
            _stanza(SOURCETYPES["ecs"], FORMS["ecs"].time),
            _stanza(SOURCETYPES["ocsf"], FORMS["ocsf"].time),
        )
    )


def _stanza(sourcetype: str, time: str) -> str:
    """Instants are text, but OCSF's, which are milliseconds."""
    number = sourcetype == SOURCETYPES["ocsf"]
    prefix, layout = ("", "%s%3N") if number else ('"', "%Y-%m-%dT%H:%M:%S.%3N%Z")
    own = SOURCE if sourcetype in {SOURCETYPES["json"], REPORTS} else ""
    return f'[{sourcetype}]\nTIME_PREFIX = "{time}"\\s*:\\s*{prefix}\nTIME_FORMAT = {layout}\n{PARSING}{own}'
