"""Sites as operators keep them, on real web servers: nginx and Apache with a main configuration that includes a folder of sites,
one of them asked by a recipe, another one that must never notice."""

from __future__ import annotations

from tests.real.rig import RealHost
from tests.real.world import listening, until, write

NAME, OTHER = "shop.example.test", "other.example.test"
NGINX, APACHE = "/etc/nginx/rig/nginx.conf", "/etc/apache2/rig/apache2.conf"
SITE = {"nginx": "/etc/nginx/rig/sites/shop.conf", "apache": "/etc/apache2/rig/sites/shop.conf"}

NGINX_MAIN = """\
user www-data;
worker_processes 1;
pid /run/nginx.pid;
error_log /var/log/nginx/error.log;
events { worker_connections 512; }
http {
    include /etc/nginx/mime.types;
    default_type text/html;
    server_names_hash_bucket_size 128;
    access_log /var/log/nginx/access.log combined;
    include /etc/nginx/rig/sites/*;
}
"""
NGINX_SITE = f"""\
# The shop. server {{ server_name {NAME}; }} in a comment is none.
server {{
    listen 80 default_server;
    server_name _;
    return 404;
}}
server {{ listen 80;
    server_name www.{NAME} "{NAME}";   # as visitors know it
    root /srv/shop;
    location / {{ add_header X-Text "a {{ brace; and }} a ${{host}}" always; try_files $uri $uri/index.html =404; }}
    location ~ "^/x{{2}}$" {{ return 204; }}
}}
server {{
    listen 443 ssl;
    server_name {NAME};
    ssl_certificate /etc/ssl/rig/shop.pem;
    ssl_certificate_key /etc/ssl/rig/shop.key;
    root /srv/shop;
}}
server {{ listen 80; server_name {OTHER}; root /srv/other; }}"""
"""Blocks of several names, comments, quotes and braces in them, and no newline at the end."""


def furnish(host: RealHost) -> None:
    """The pages of both sites, and a certificate."""
    write(host, "/srv/shop/index.html", "the shop of old")
    write(host, "/srv/other/index.html", "the other site")
    host.run(
        "mkdir -p /etc/ssl/rig /var/log/nginx /var/log/apache2; openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256"
        f" -nodes -keyout /etc/ssl/rig/shop.key -out /etc/ssl/rig/shop.pem -days 30 -subj /CN={NAME} 2>/dev/null"
    )


def nginx_sites(host: RealHost) -> None:
    """nginx with the shop and the other site."""
    furnish(host)
    write(host, NGINX, NGINX_MAIN)
    host.run("mkdir -p /etc/nginx/rig/sites")
    host.run(
        f"cat >{SITE['nginx']}.tmp <<'END'\n{NGINX_SITE}\nEND\nhead -c -1 {SITE['nginx']}.tmp >{SITE['nginx']}; rm {SITE['nginx']}.tmp"
    )
    start_nginx(host)


def start_nginx(host: RealHost) -> None:
    """Start it."""
    host.spawn("/usr/sbin/nginx", "-c", NGINX, "-g", "daemon off;")
    until(lambda: listening(host, 80), lambda: f"nginx on {host.name}: {host.said()[-800:]}", 30)


def state(server: str) -> str:
    """Shell text that prints all that a recipe may have touched, and what visitors get."""
    folder = f"/etc/{'nginx' if server == 'nginx' else 'apache2'}/rig"
    return (
        f"ls -lAR --time-style=+ {folder} /srv; cksum {folder}/*.* {folder}/sites/*; "
        f"for n in {NAME} {OTHER}; do curl -sk -m 10 -o - -w '%{{http_code}}\\n' --resolve $n:80:127.0.0.1 http://$n/; done"
    )


def ask(host: RealHost, url: str, *options: str, at: str = "127.0.0.1") -> str:
    """What the host answers for a URL under its real name: status line, headers and body."""
    return host.run(f"curl -qsik -m 15 --connect-to '::{at}:' {' '.join(options)} '{url}' || :")
