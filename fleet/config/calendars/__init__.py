"""Calendars (RFC 5545) as windows and freezes: what their events mean, and the copies of those that come by URL."""
