"""Use cases of auditors: export the journal, and verify an export without the database."""
