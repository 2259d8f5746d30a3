"""Mailbox servers: Dovecot, with IMAP and POP3, in TLS from the start and by STARTTLS."""

from __future__ import annotations

from tests.real.rig import RealHost
from tests.real.world import listening, until, write
from tests.real.world.web import install


def dovecot(host: RealHost, name: str, users: dict[str, str], *, pair: tuple[str, str]) -> None:
    """Dovecot under `name`; `users` have these passwords, and their mail in /var/mail."""
    for user in users:
        host.run(f"id {user} >/dev/null 2>&1 || useradd -m {user}")
    key, chain = install(host, name, pair)
    write(host, "/etc/dovecot/users", "\n".join(f"{user}:{{PLAIN}}{word}" for user, word in users.items()))
    write(
        host,
        "/etc/dovecot/dovecot.conf",
        f"""
base_dir = /run/dovecot
log_path = /var/log/dovecot.log
protocols = imap pop3
ssl = required
ssl_cert = <{chain}
ssl_key = <{key}
disable_plaintext_auth = yes
auth_mechanisms = plain login
auth_failure_delay = 0
mail_location = mbox:~/mail:INBOX=/var/mail/%u
passdb {{
  driver = passwd-file
  args = /etc/dovecot/users
}}
userdb {{
  driver = passwd
}}
service imap-login {{
  chroot =
}}
service pop3-login {{
  chroot =
}}
service anvil {{
  chroot =
  unix_listener anvil-auth-penalty {{
    mode = 0
  }}
}}
service stats {{
  chroot =
}}
""",
    )
    host.run("chmod 644 /etc/dovecot/users; mkdir -p /var/mail /var/log; chmod 1777 /var/mail")
    host.spawn("/usr/sbin/dovecot", "-F", "-c", "/etc/dovecot/dovecot.conf")
    until(
        lambda: all(listening(host, port) for port in (110, 143, 993, 995)),
        lambda: f"dovecot on {host.name}: {host.run('cat /var/log/dovecot.log', check=False)[-600:]}",
    )
