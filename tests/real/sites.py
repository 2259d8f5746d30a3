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
error_log /var/log/nginx/error.log notice;
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
    bare(host, SITE["nginx"], NGINX_SITE)
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


def live(server: str) -> str:
    """Shell text that prints which web server runs, and how often it was told to read its configuration."""
    name, word = ("nginx", "SIGHUP") if server == "nginx" else ("apache2", "AH00493")
    return f"cat /run/{name}.pid; grep -c {word} /var/log/{name}/error.log || :"


def ask(host: RealHost, url: str, *options: str, at: str = "127.0.0.1") -> str:
    """What the host answers for a URL under its real name: status line, headers and body."""
    return host.run(f"curl -qsik -m 15 --connect-to '::{at}:' {' '.join(options)} '{url}' || :")


APACHE_MAIN = """\
ServerRoot /etc/apache2
ServerName localhost
PidFile /run/apache2.pid
DefaultRuntimeDir /run
ErrorLog /var/log/apache2/error.log
User www-data
Group www-data
Listen 80
Listen 443
StartServers 1
MinSpareThreads 5
ThreadsPerChild 10
TypesConfig /etc/mime.types
LogFormat "%v %h %l %u %t \\"%r\\" %>s %O" rig
DirectoryIndex index.html
<Directory /srv>
    Require all granted
    AllowOverride All
</Directory>
IncludeOptional /etc/apache2/rig/sites/*
"""
APACHE_SITE = f"""\
# <VirtualHost *:80> ServerName {NAME} in a comment is none.
<VirtualHost *:80>
    ServerName default.example.test
    DocumentRoot /srv/none
</VirtualHost>
<VirtualHost *:80>
    ServerName www.{NAME}
    serveralias \\
        "{NAME}"
    DocumentRoot /srv/shop
    CustomLog /var/log/apache2/access.log rig
    Alias /hidden /srv/hidden
</VirtualHost>
<IfModule ssl_module>
<virtualhost *:443>
    ServerName https://{NAME}:443
    DocumentRoot "/srv/shop"
    SSLEngine on
    SSLCertificateFile /etc/ssl/rig/shop.pem
    SSLCertificateKeyFile /etc/ssl/rig/shop.key
</virtualhost>
</IfModule>
<VirtualHost *:80>
    ServerName {OTHER}
    DocumentRoot /srv/other
</VirtualHost>"""


def apache_sites(host: RealHost) -> None:
    """Apache with the shop and the other site; mod_rewrite, mod_headers and mod_proxy are installed, and not loaded."""
    furnish(host)
    modules = "mpm_event authz_core authz_host dir mime alias ssl socache_shmcb"
    loads = "".join(f"LoadModule {name}_module /usr/lib/apache2/modules/mod_{name}.so\n" for name in modules.split())
    write(host, APACHE, loads + APACHE_MAIN)
    bare(host, SITE["apache"], APACHE_SITE)
    start_apache(host)


def start_apache(host: RealHost) -> None:
    """Start it."""
    host.spawn("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", APACHE)
    until(lambda: listening(host, 80), lambda: f"apache2 on {host.name}: {host.said()[-800:]}", 30)


def bare(host: RealHost, path: str, text: str) -> None:
    """Write a file without a newline at its end."""
    host.run(
        f"mkdir -p $(dirname {path}); cat >{path}.tmp <<'END'\n{text}\nEND\nhead -c -1 {path}.tmp >{path}; rm {path}.tmp"
    )
