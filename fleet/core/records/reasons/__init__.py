"""Defines why something does not happen now: one `ReasonSpec` for each reason, in one file a subject."""
