"""Why Kafka cannot be reached, in words that name the key to look at. Pure: lines in, a sentence out.

aiokafka tells the cause in lines of its log, and where the other side just closed the connection, in none. What such
silence means is known from a real broker: a listener that is spoken to in a protocol it does not have closes.

The words that are looked for are OpenSSL's, aiokafka's and our own `bearer`'s; a cause that is not known gets the
general hint, never a guess.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Final

from streamer.kafka import rights
from streamer.kafka.rights import Denied

UNTOLD: Final = {  # lines of aiokafka's about a topic
    "Topic %s is not authorized for this client": rights.DESCRIBE,
    "Not authorized to read from topic %s.": rights.READ,
}
LINES_TOLD: Final = 3  # of what aiokafka logged; it repeats itself every 100 ms
SLOW: Final = "no answer in time"
CLOSED: Final = "the other side closed the connection without a word"
NO_CAUSE: Final = ("Sending username and password in the clear",)  # a warning of aiokafka's that explains nothing
GENERAL: Final = "check kafka.bootstrap_servers, kafka.security_protocol and the credentials"
HINTS: Final = (  # the first that is found in what is told
    ("certificate has expired", "the broker's certificate must be renewed; or this machine's clock is wrong"),
    ("certificate is not yet valid", "this machine's clock is wrong, or the broker's certificate is of the future"),
    (
        "certificate is not valid for",
        "kafka.bootstrap_servers and the brokers' advertised.listeners must say a name that stands in the certificate",
    ),
    (
        "CERTIFICATE_VERIFY_FAILED",
        "kafka.ssl_ca_file must hold the authority that signed the brokers' certificate; without it the system's count",
    ),
    ("no token from", "check kafka.sasl_oauth_token_url, kafka.sasl_oauth_client_id and its secret, and the scope"),
    ("SaslAuthenticationFailed", "the broker refuses these credentials: check the kafka.sasl_* keys and their files"),
    ("UnsupportedSaslMechanism", "this listener does not have kafka.sasl_mechanism: give one that it has"),
    ("IllegalSaslState", "this listener asks for no login: kafka.security_protocol without SASL_, or another port"),
    ("ALERT", "the broker refuses our certificate: check kafka.ssl_cert_file and kafka.ssl_key_file"),
)
WANTS_LOGIN: Final = "this listener wants a login: kafka.security_protocol with SASL_, or another port"
SILENCE: Final = {  # by our own protocol
    "PLAINTEXT": "this listener may want TLS: check kafka.security_protocol, or the port",
    "SASL_PLAINTEXT": "this listener may want TLS: check kafka.security_protocol, or the port",
    "SSL": "this listener may have no TLS, or want a certificate that it trusts: check kafka.security_protocol, "
    "kafka.ssl_cert_file, or the port",
    "SASL_SSL": "this listener may have no TLS, or want a certificate that it trusts: check kafka.security_protocol, "
    "kafka.ssl_cert_file, or the port",
}


def told(records: Sequence[logging.LogRecord]) -> str:
    """The last few different lines, those without a cause in the words of `CLOSED`."""
    lines = [_line(record) for record in records]
    wanted = [line for line in lines if not line.startswith(NO_CAUSE)]
    return "; ".join(list(dict.fromkeys(wanted))[-LINES_TOLD:])


def denied(records: Sequence[logging.LogRecord]) -> Denied | None:
    """A right that the client goes on without for ever, so that only its log tells it from silence."""
    for record in records:
        operation = UNTOLD.get(str(record.msg))
        if operation and isinstance(record.args, tuple):
            return Denied(operation, rights.TOPIC, [str(record.args[0])])
    return None


def hint(why: str, protocol: str) -> str:
    """What a person may look at."""
    for words, sentence in HINTS:
        if words in why:
            return sentence
    if CLOSED not in why:
        return GENERAL
    connected = "request metadata" in why  # what is asked first, once the connection stands
    return WANTS_LOGIN if connected and not protocol.startswith("SASL") else SILENCE[protocol]


def _line(record: logging.LogRecord) -> str:
    """What a record says; a connection that ended has no text of its own, or says only that it is closed."""
    text = record.getMessage()
    cause = record.args[-1] if isinstance(record.args, tuple) and record.args else None
    if not isinstance(cause, Exception):
        return text
    about = text.removesuffix(str(cause)).rstrip(" :")
    if isinstance(cause, TimeoutError):
        return f"{about}: {SLOW}"
    return f"{about}: {CLOSED}" if not str(cause) or str(cause).endswith(" closed") else text
