"""From the broker to the store: capture, decode, validate, judge, write, ledger, acknowledge."""
