"""The outbox: every reading goes to flash with its identity, and leaves it when the cloud has stored it for good."""
