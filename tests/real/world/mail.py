"""Mail servers: Postfix and Exim, each for one domain, with mailboxes in mbox files."""

from __future__ import annotations

from tests.real.rig import RealHost
from tests.real.world import EXIM, listening, until, write
from tests.real.world.web import install


def postfix(
    host: RealHost,
    name: str,
    domain: str,
    users: tuple[str, ...] = (),
    *,
    pair: tuple[str, str] | None = None,
    settings: dict[str, str] | None = None,
    transports: dict[str, str] | None = None,
) -> None:
    """Postfix under `name` for `domain`; mail of `users` lands in /var/mail. `transports` (domain or address → next hop) is
    where it hands mail on to, without asking DNS."""
    for user in users:
        host.run(f"id {user} >/dev/null 2>&1 || useradd -m {user}")
    fixed = {
        "compatibility_level": "3.6",
        "myhostname": name,
        "mydestination": f"{domain}, {name}, localhost",
        "mynetworks": "127.0.0.0/8",
        "inet_interfaces": "all",
        "inet_protocols": "ipv4",
        "smtpd_relay_restrictions": "permit_mynetworks, reject_unauth_destination",
        "smtpd_peername_lookup": "no",
        "smtp_dns_support_level": "disabled",
        "smtp_host_lookup": "native",
        "alias_maps": "",
        "mail_spool_directory": "/var/mail",
        "maillog_file": "/var/log/mail.log",
        "minimal_backoff_time": "2s",
        "queue_run_delay": "2s",
        "maximal_backoff_time": "4s",
        "transport_maps": "texthash:/etc/postfix/transport",
        "append_dot_mydomain": "no",
        "biff": "no",
    }
    if pair is not None:
        key, chain = install(host, name, pair)
        fixed |= {"smtpd_tls_key_file": key, "smtpd_tls_cert_file": chain, "smtpd_tls_security_level": "may"}
    write(
        host, "/etc/postfix/main.cf", "\n".join(f"{key} = {value}" for key, value in (fixed | (settings or {})).items())
    )
    # Nothing is chrooted: the host is one already.
    host.run(
        "test -s /etc/postfix/master.cf || cp /usr/share/postfix/master.cf.dist /etc/postfix/master.cf;"
        'awk \'/^[a-z0-9]/ && $5 == "y" {$5 = "n"} {print}\' /etc/postfix/master.cf > /tmp/m && cp /tmp/m /etc/postfix/master.cf;'
        "grep -q ^postlog /etc/postfix/master.cf || echo 'postlog unix-dgram n - n - 1 postlogd' >> /etc/postfix/master.cf;"
        "mkdir -p /var/mail /var/log; chmod 1777 /var/mail"
    )
    handed_on(host, transports or {})
    host.run("postfix start 2>&1")
    until(
        lambda: listening(host, 25), lambda: f"postfix on {host.name}: {host.run('cat /var/log/mail.log', check=False)}"
    )


def redirect(host: RealHost, transports: dict[str, str]) -> None:
    """Where a Postfix hands mail on to: domain or address → `smtp:[address]:port`, `hold:` and so on."""
    handed_on(host, transports)
    host.run("postfix reload 2>/dev/null || :")


def handed_on(host: RealHost, transports: dict[str, str]) -> None:
    """As `redirect`, before it is started."""
    write(host, "/etc/postfix/transport", "\n".join(f"{of} {to}" for of, to in transports.items()))


EXIM_DAEMON = ("/usr/sbin/exim4", "-bdf", "-q2s")


def exim(
    host: RealHost,
    name: str,
    domain: str,
    users: tuple[str, ...] = (),
    *,
    pair: tuple[str, str] | None = None,
    routes: dict[str, str] | None = None,
    more: str = "",
    routers: str = "",
) -> None:
    """Exim under `name` for `domain`; mail of `users` lands in /var/mail. `routes` (domain → address) is where it hands mail
    on to; `more` goes into its main section, `routers` before the other routers."""
    for user in users:
        host.run(f"id {user} >/dev/null 2>&1 || useradd -m {user}")
    secure = ""
    if pair is not None:
        key, chain = install(host, name, pair)
        secure = f"tls_advertise_hosts = *\ntls_certificate = {chain}\ntls_privatekey = {key}\n"
    onward = "".join(
        f"to_{number}:\n  driver = manualroute\n  domains = {of}\n  transport = remote\n  route_list = * {to} byname\n"
        for number, (of, to) in enumerate((routes or {}).items())
    )
    config = f"""
primary_hostname = {name}
domainlist local_domains = {domain} : {name} : localhost
log_file_path = /var/log/exim/%slog
spool_directory = /var/spool/exim
queue_run_max = 5
daemon_smtp_ports = 25
hosts_treat_as_local = 127.0.0.1
message_size_limit = 50M
host_lookup =
rfc1413_query_timeout = 0s
acl_smtp_rcpt = check_rcpt
acl_smtp_data = check_data
{secure}{more}
begin acl
check_rcpt:
  accept hosts = 127.0.0.1
  accept domains = +local_domains
         verify = recipient
  deny message = relay not permitted
check_data:
  accept
begin routers
{routers}{onward}
local:
  driver = accept
  check_local_user
  domains = +local_domains
  transport = mbox
  cannot_route_message = Unknown user
begin transports
remote:
  driver = smtp
  hosts_try_dane =
mbox:
  driver = appendfile
  file = /var/mail/$local_part_data
  user = mail
  group = mail
  mode = 0660
  mode_fail_narrower = false
  check_owner = false
  delivery_date_add
  envelope_to_add
  return_path_add
begin retry
* * F,1h,2s
"""
    write(host, "/etc/exim4/exim4.conf", config, "644")
    host.run(
        f"cp -a {EXIM}/usr/sbin/. /usr/sbin/; cp -a {EXIM}/usr/lib/. /usr/lib/ 2>/dev/null || :; mkdir -p /var/spool/exim /var/mail /var/log;"
        "chmod 1777 /var/mail; id Debian-exim >/dev/null 2>&1 || useradd -r -M Debian-exim;"
        "chown -R root:root /etc/exim4; mkdir -p /var/log/exim; chown -R Debian-exim /var/spool/exim /var/log/exim;"
        "chmod 644 /etc/ssl/rig/*.key 2>/dev/null || :"
    )
    host.spawn(*EXIM_DAEMON)
    until(
        lambda: listening(host, 25),
        lambda: f"exim on {host.name}: {host.said()[-600:]} {host.run('cat /var/log/exim/*', check=False)[-600:]}",
    )
