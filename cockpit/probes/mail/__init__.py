"""Mail as the world sees it: SMTP, IMAP and POP asked, MX walked, messages of our own followed, queues and mailboxes read."""

from __future__ import annotations

from cockpit.probes.mail.ask import probe

__all__ = ["probe"]
