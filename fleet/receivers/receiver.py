"""Sends a message to a receiver through apprise. The receiver's URL is a secret, and so is what apprise logs: neither
leaves this module.

Source: https://github.com/caronc/apprise/wiki, and its `result.py`: `notify` returns an object that is true only if
every service accepted the message.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
from pathlib import Path

from fleet.core.notifications.delivery import MessageText
from fleet.core.policy.alerting.notification import Notification

SECONDS = 20
"""A receiver that has not accepted a message by then has not got it, as far as anybody knows."""
LONGEST_URL = 4096
STATUS = re.compile(r"\berror=([1-5][0-9]{2})\b")
"""How apprise's services log the status of HTTP by which a message was refused."""


class NoUrlError(Exception):
    """The receiver has no URL that can be used; the message says why, without the URL."""


async def send(receiver: Notification, text: MessageText) -> str:
    """Sends a message. Returns why the receiver has not accepted it, without secrets; empty: it has."""
    try:
        url = await asyncio.to_thread(url_of, receiver)
        return await asyncio.to_thread(_notify, url, text)
    except NoUrlError as error:
        return str(error)


def url_of(receiver: Notification) -> str:
    """Returns the URL of the receiver, read anew each time: it may have been replaced. Raises NoUrlError."""
    if receiver.url_env:
        url = os.environ.get(receiver.url_env, "").strip()
        if not url:
            raise NoUrlError(f"the environment variable {receiver.url_env} is not set")
        return url
    try:
        with Path(receiver.url_file).open(encoding="utf-8") as file:
            url = file.read(LONGEST_URL).partition("\n")[0].strip()
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8"
        raise NoUrlError(f"url_file {receiver.url_file}: {reason}") from None
    if not url:
        raise NoUrlError(f"url_file {receiver.url_file}: its first line is empty")
    return url


def _notify(url: str, text: MessageText) -> str:
    import apprise

    # What services log may have tokens in it.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.handlers = [logging.NullHandler()]
    # A redirect could take the message, and a token in a header, to another server.
    asset = apprise.AppriseAsset(
        app_id="fleet", async_mode=False, http_redirects=False, service_timeout=SECONDS
    )
    service = apprise.Apprise(asset=asset)
    if not service.add(url) or len(service) != 1:
        raise NoUrlError("its URL is not one that apprise knows")
    result = service.notify(
        body=text.body, title=text.title, body_format=apprise.NotifyFormat.TEXT, timeout=SECONDS
    )
    if bool(result):
        return ""
    if result.status is apprise.AppriseResultStatus.TIMEOUT:
        return f"no answer within {SECONDS} s"
    found = [status for entry in result.logs() for status in STATUS.findall(entry.message)]
    return f"refused with status {found[-1]}" if found else "not accepted, or not reached"
