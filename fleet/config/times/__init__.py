"""Reads what goes by the calendar: windows, freezes, and the schedule of the controller."""
