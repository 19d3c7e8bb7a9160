"""What is persisted or told: journal entries, reasons for waiting, errors, requests."""
