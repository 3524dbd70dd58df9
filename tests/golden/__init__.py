"""Wire bytes, kept for ever: `<schema>/<version>/<case>.avro` and `.json`, and the schema they were written with."""
