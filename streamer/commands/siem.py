"""`streamer siem`: ready configuration for a collector, with this deployment's own topics, registry and security.

A rendering is made from the configuration alone, asks neither Kafka nor the registry, and holds no secret: where one
is needed stands the collector's own reference to it, listed in the first comment lines.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import click

from streamer.errors import Misconfigured
from streamer.invocation import Invocation, hands_config_on, takes_config
from streamer.output.stdout import put, until_nobody_reads
from streamer.siem import detections
from streamer.siem.deployment import Deployment
from streamer.siem.pipelines.catalogue import PIPELINES, Pipeline

DEFAULT_INTERVAL_S: Final = 60.0  # of a source; a reader's configuration may name none


@click.group(
    "siem",
    short_help="Ready configuration for a SIEM's collector.",
    epilog="""\b
Examples:
  streamer siem vector --to splunk > vector.yaml
  streamer siem sigma --out rules/
""",
)
@hands_config_on
def command() -> None:
    """Print the configuration of a collector for this deployment, the index side of it, or write detection rules."""


def _rendering(name: str, pipeline: Pipeline) -> click.Command:
    """The subcommand of one collector; a choice that it does not have is no option of it."""

    def call(invocation: Invocation, **chosen: str) -> None:
        deployment = Deployment.of(invocation.settings(reader=True))
        text = pipeline.render(deployment, **chosen)
        for line in pipeline.notes(deployment, text, **chosen) if pipeline.notes else ():
            click.echo(f"streamer: {line}", err=True)
        click.echo(text, nl=False)

    function: Callable[..., Any] = takes_config(call)
    function = _choice(
        "--form", pipeline.forms, "The events' form; what the collector cannot decode itself comes from the relay."
    )(function)
    function = _choice("--to", pipeline.to, "Where the events go.")(function)
    choices = "".join(f" --{kind} {of[-1]}" for kind, of in (("to", pipeline.to), ("form", pipeline.forms)) if of)
    epilog = (
        f"\b\nExamples:\n  streamer siem {name} > {pipeline.file}\n"
        f"  streamer siem {name}{choices} -c /etc/streamer.yaml > {pipeline.file}\n"
    )
    text = f"Print the configuration, to be saved as such: {pipeline.what} Secrets stand in it as references only."
    return click.command(name, help=text, short_help=pipeline.what, epilog=epilog)(function)


def _choice(option: str, of: tuple[str, ...], text: str) -> Callable[[Any], Any]:
    if not of:
        return lambda function: function
    return click.option(option, type=click.Choice(of), default=of[0], show_default=True, help=text)


for _name, _pipeline in PIPELINES.items():
    command.add_command(_rendering(_name, _pipeline))


@command.command(
    "sigma",
    short_help="Write the detection rules.",
    epilog="""\b
Examples:
  streamer siem sigma --out rules/
  streamer siem sigma --out rules/ && sigma convert -t splunk -p rules/splunk-pipeline.yaml rules/*.yml
""",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    required=True,
    help="Folder to write into; it is made.",
)
@click.option("--force", is_flag=True, help="Replace files that are there and say something else.")
@takes_config
def sigma(invocation: Invocation, *, out: Path, force: bool) -> None:
    """Write the detections into a folder and print their names; rules that were edited there are not replaced.

    They are Sigma rules over ECS events, a pySigma pipeline for Splunk, the same in KQL for Sentinel's tables, in
    YARA-L what the backend of Google SecOps cannot convert, the correlations as searches of Elasticsearch and
    OpenSearch with this deployment's indices, and the alert on a silent feed, which Sigma cannot say, as SPL, ES|QL,
    KQL and such a search, with its interval.
    """
    settings = invocation.settings(reader=True)
    index = Deployment.of(settings).index
    interval_s = max((source.interval for source in settings.sources), default=DEFAULT_INTERVAL_S)
    texts = detections.rules(events=index("ecs"), reports=index("snapshots"), interval_s=interval_s)
    rules = {out / name: text for name, text in texts.items()}
    try:
        out.mkdir(parents=True, exist_ok=True)
        differing = [path.name for path, text in rules.items() if path.exists() and path.read_bytes() != text.encode()]
        if differing and not force:
            raise Misconfigured(
                f"--out {out}: nothing is written, for these are there and say something else: {', '.join(differing)}",
                hint="give another folder and compare, or --force to replace them",
            )
        for path, text in rules.items():
            path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise Misconfigured(f"--out {out}: cannot write there: {error.strerror}") from error
    with until_nobody_reads():
        put(str(path).encode(errors="surrogateescape") for path in rules)
