"""Receivers of messages: chat rooms, mail, pagers and web hooks, through apprise."""
