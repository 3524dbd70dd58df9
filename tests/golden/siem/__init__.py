"""Lines for SIEMs, kept for ever: `<schema>/<its version>/<case>.json`, byte for byte as `siem.forms` writes them."""
