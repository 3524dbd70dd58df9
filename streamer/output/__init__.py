"""What commands print: tables, lines, and what of a text may stand on a terminal. It knows neither Kafka nor HTTP."""
