"""Watch the OAuth2 tokens of Cisco Intersight accounts; publish every change to Kafka, exactly once.

The data path: `intersight` reads one complete snapshot of an account's tokens over HTTP, and `gather` asks for what it
lacks; `judgement` compares it by Moid (`diff`) with the state that came out of Kafka, decides what may be an old view
(`lag`) and what a missing Moid means (`absence`); `steps` and `batch` plan what each transaction writes, events, state
rows and the poll's report together; `kafka` executes the plan in one transaction and nothing else. `cycle` turns that
wheel, `watch` says when, and `app` is the one place that builds all of it.
"""

__version__ = "0.1.0"
