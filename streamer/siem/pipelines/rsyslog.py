"""rsyslog (imkafka) to a syslog receiver such as QRadar: RFC 5424 with the JSON line as its message; RainerScript.

It decodes no Avro, so it reads JSON topics. The header's time is the event's own, its process id the `event_id` and
its message id the `event_type`: what a receiver needs to order, count once and route, before it parses any JSON.

Question: how does a setting refer to a secret? Choice: rsyslog's backticks, which take `echo` of variables and run no
shell. Question: and what of a long event? Choice: `maxMessageSize` 2m; the default of 8k would cut half of them.
"""

from __future__ import annotations

from typing import Final

from streamer.errors import Misconfigured
from streamer.siem.deployment import Deployment, Feed
from streamer.siem.pipelines import librdkafka
from streamer.siem.pipelines.opening import opening
from streamer.siem.pipelines.writing import comments, quoted

FORMS: Final = ("json", "ocsf", "ecs")
HEADERS: Final = {  # form -> time, process id and message id of the syslog header
    "json": ("$!event!event_time", "$!event!event_id", "$!event!event_type"),
    "ecs": ("$!event!@timestamp", "$!event!event!id", "$!event!event!action"),
    "ocsf": ("timereported:::date-rfc3339", "$!event!metadata!uid", "$!event!activity_name"),
    "snapshots": ("$!event!finished_at", "$!event!snapshot_id", "$!event!verdict"),
}
INFORMATIONAL: Final = 14 * 8 + 6  # facility 14 (log alert), severity 6
GLOBAL: Final = """\
global(maxMessageSize="2m" parser.escapeControlCharactersOnReceive="off")
module(load="imkafka")
"""


def render(deployment: Deployment, form: str = FORMS[0]) -> str:
    """The configuration, as `rsyslogd -f` takes it, or for a file of `/etc/rsyslog.d`."""
    feeds = {"events": deployment.events_as(form), "snapshots": deployment.reports_as_json(form)}
    parts = [GLOBAL]
    for kind, feed in feeds.items():
        parts += [_template(kind, HEADERS[form if kind == "events" else kind]), _ruleset(kind)]
        parts += [_input(deployment, kind, feed, topic, form) for topic in feed.topics]
    body = "\n".join(parts)
    lines = opening(f"rsyslog --form {form}", feeds.values(), body)
    lines.append(
        "SYSLOG_TARGET and SYSLOG_PORT are the receiver's; over an open network add StreamDriver and its TLS settings."
    )
    return comments([*lines, *librdkafka.notes(deployment)]) + body


def _template(kind: str, header: tuple[str, str, str]) -> str:
    time, process, message = header
    head = f"<{INFORMATIONAL}>1 %{time}% %$myhostname% streamer %{process}% %{message}% - "
    return f'template(name="streamer_{kind}" type="string" string="{head}%rawmsg%\\n")\n'


def _ruleset(kind: str) -> str:
    return f"""\
ruleset(name="streamer_{kind}" queue.type="LinkedList" queue.size="10000") {{
  set $.parsed = parse_json($rawmsg, "\\$!event");
  action(type="omfwd" target=`echo $SYSLOG_TARGET` port=`echo $SYSLOG_PORT` protocol="tcp"
         template="streamer_{kind}" action.resumeRetryCount="-1" action.resumeInterval="10")
}}
"""


def _input(deployment: Deployment, kind: str, feed: Feed, topic: str, form: str) -> str:
    brokers = ", ".join(quoted(broker, "rsyslog") for broker in deployment.brokers)
    group = quoted(deployment.group(f"rsyslog-{form}-{kind}-{feed.topics.index(topic)}"), "rsyslog")
    settings = librdkafka.settings(deployment, lambda name: librdkafka.Reference(f"${name}"))
    written = ",\n                 ".join(_setting(name, value) for name, value in settings.items())
    return f"""\
input(type="imkafka" topic={quoted(topic, "rsyslog")} consumergroup={group} ruleset="streamer_{kind}"
      broker=[{brokers}]
      confParam=[{written}])
"""


def _setting(name: str, value: str) -> str:
    """`name=value` as a string; a reference stands between backticks, where rsyslog replaces it."""
    if isinstance(value, librdkafka.Reference):
        return f"`echo {name}={value}`"
    if "`" in value:
        raise Misconfigured(f"{value!r} is given; rsyslog would take a backtick for a command")
    return quoted(f"{name}={value}", "rsyslog")
