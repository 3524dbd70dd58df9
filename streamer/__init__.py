"""Watch the OAuth2 tokens of Cisco Intersight accounts; publish every change to Kafka, exactly once.

The data path: `intersight` reads one complete snapshot of an account's tokens over HTTP. `judging` asks for what it
lacks, compares it by Moid (`diff`) with the state that came out of Kafka, and decides what may be an old view and what
a missing Moid means (`absence`). `batch` plans what each transaction writes, events, state rows and the poll's report
together; `wire` makes their bytes; `kafka` executes the plan in one transaction and nothing else. `cycle` turns that
wheel, `watch` says when, `worker` for which sources, and `app` is the one place that builds all of it.

To read it, begin on the ground floor, with values and pure rules: `tokens` (what is seen), `state` (what the log
keeps), `diff`, `absence`, `events`, `batch`; then `cycle`, which joins them. `known` and `sightings` are mappings of
rows of the state and of a snapshot in little memory; `avro` and `wire` are about bytes and nothing else.

Beside it: `commands` and what they print (`output`), what is told over HTTP (`status`), what makes sure before and
after (`checks`, `verify`), what a SIEM reads (`siem`), and the stage for trying all of it (`demo`).
"""

__version__ = "0.1.0"
