"""Each lie shows on the wire exactly as said, and never in the ledger."""
