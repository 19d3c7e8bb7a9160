"""Structs that are stored or reported: journal entries, reasons for waiting, errors, requests."""
