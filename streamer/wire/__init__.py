"""The bytes of records: schemas, the fast way to write and read them, the JSON form, and what decodes any of them."""
