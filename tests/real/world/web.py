"""Web servers with certificates of a test's own authority: nginx and Apache."""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from tests.real.rig import RealHost
from tests.real.world import listening, until, write


class Authority:
    """A certificate authority. `pem` is its certificate in a file; `issue` makes a server's."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._folder = folder
        self._key = ec.generate_private_key(ec.SECP256R1())
        self._name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        now = datetime.datetime.now(datetime.UTC)
        self._certificate = (
            x509.CertificateBuilder()
            .subject_name(self._name)
            .issuer_name(self._name)
            .public_key(self._key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - datetime.timedelta(days=30))
            .not_valid_after(now + datetime.timedelta(days=365))
            .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
            .add_extension(x509.SubjectKeyIdentifier.from_public_key(self._key.public_key()), critical=False)
            .add_extension(
                x509.KeyUsage(
                    digital_signature=True, content_commitment=False, key_encipherment=False, data_encipherment=False,
                    key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False,
                ),
                critical=True,
            )
            .sign(self._key, hashes.SHA256())
        )  # fmt: skip
        self.pem = folder / f"{name.replace(' ', '-').lower()}.pem"
        self.pem.write_bytes(self._certificate.public_bytes(serialization.Encoding.PEM))

    def issue(self, *names: str, days: float = 90, began: float = -1) -> tuple[str, str]:
        """(key, certificate with its chain) in PEM for names, from `began` days on, for `days` days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        now = datetime.datetime.now(datetime.UTC)
        certificate = (
            x509.CertificateBuilder()
            .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, names[0])]))
            .issuer_name(self._name)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + datetime.timedelta(days=min(began, days - 1)))
            .not_valid_after(now + datetime.timedelta(days=days))
            .add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
            .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
            .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self._key.public_key()), critical=False)
            .sign(self._key, hashes.SHA256())
        )
        secret = key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        chain = certificate.public_bytes(serialization.Encoding.PEM) + self.pem.read_bytes()
        return secret.decode(), chain.decode()


def install(host: RealHost, name: str, pair: tuple[str, str]) -> tuple[str, str]:
    """Put a key and its certificate on a host; returns their paths."""
    key, chain = f"/etc/ssl/rig/{name}.key", f"/etc/ssl/rig/{name}.pem"
    write(host, key, pair[0], "600")
    write(host, chain, pair[1])
    return key, chain


def nginx(
    host: RealHost,
    name: str,
    pages: dict[str, str],
    *,
    pair: tuple[str, str] | None = None,
    more: str = "",
    log_format: str = "",
    names: Sequence[str] = (),
) -> None:
    """nginx with a site over HTTP, and HTTPS and HTTP/2 with `pair`. `pages` are texts by path; `more` goes into the server
    block; `log_format` replaces the combined one."""
    for path, text in pages.items():
        write(host, f"/srv/www{path}", text)
    secure = ""
    if pair is not None:
        key, chain = install(host, name, pair)
        secure = f"listen 443 ssl http2; listen [::]:443 ssl http2; ssl_certificate {chain}; ssl_certificate_key {key};"
    form = f"log_format rig '{log_format}'; access_log /var/log/nginx/access.log rig;" if log_format else ""
    log = "" if log_format else "access_log /var/log/nginx/access.log combined;"
    config = f"""
        user root; worker_processes 1; pid /run/nginx.pid; error_log /var/log/nginx/error.log;
        events {{ worker_connections 512; }}
        http {{
            include /etc/nginx/mime.types; default_type text/html; {log} {form}
            server {{ listen 80 reuseport; listen [::]:80 reuseport; {secure}
                     server_name {" ".join((name, *names))}; root /srv/www; index index.html; {more} }}
        }}
    """
    write(host, "/etc/nginx/rig.conf", config)
    host.run("mkdir -p /var/log/nginx /run; nginx -t -q -c /etc/nginx/rig.conf")
    host.spawn("/usr/sbin/nginx", "-c", "/etc/nginx/rig.conf", "-g", "daemon off;")
    until(lambda: listening(host, 80), lambda: f"nginx on {host.name}: {host.said()[-800:]}")


def apache(
    host: RealHost,
    name: str,
    pages: dict[str, str],
    *,
    pair: tuple[str, str] | None = None,
    more: str = "",
    log_format: str = "combined",
) -> None:
    """Apache with a site over HTTP, and HTTPS and HTTP/2 with `pair`. `more` goes into both virtual hosts."""
    for path, text in pages.items():
        write(host, f"/srv/www{path}", text)
    body = f"ServerName {name}\nDocumentRoot /srv/www\nCustomLog /var/log/apache2/access.log rig\n{more}\n"
    secure = ""
    if pair is not None:
        key, chain = install(host, name, pair)
        secure = (
            f"Listen 443\n<VirtualHost *:443>\n{body}SSLEngine on\nSSLCertificateFile {chain}\n"
            f"SSLCertificateKeyFile {key}\nProtocols h2 http/1.1\n</VirtualHost>\n"
        )
    form = {"combined": r"%h %l %u %t \"%r\" %>s %O \"%{Referer}i\" \"%{User-Agent}i\""}.get(log_format, log_format)
    modules = "mpm_event authz_core authz_host dir mime alias headers rewrite ssl http2 proxy proxy_http socache_shmcb status env setenvif"
    loads = "".join(
        f"LoadModule {module}_module /usr/lib/apache2/modules/mod_{module}.so\n" for module in modules.split()
    )
    config = (
        f"{loads}ServerRoot /etc/apache2\nServerName {name}\nPidFile /run/apache2.pid\nDefaultRuntimeDir /run\n"
        "ErrorLog /var/log/apache2/error.log\nTypesConfig /etc/mime.types\nUser www-data\nGroup www-data\nListen 80\n"
        f'LogFormat "{form}" rig\nDirectoryIndex index.html\nStartServers 1\n'
        "<Directory /srv/www>\nRequire all granted\nAllowOverride All\n</Directory>\n"
        f"<VirtualHost *:80>\n{body}</VirtualHost>\n{secure}"
    )
    write(host, "/etc/apache2/rig.conf", config)
    host.run("mkdir -p /var/log/apache2 /run/apache2; apache2 -t -f /etc/apache2/rig.conf")
    host.spawn("/usr/sbin/apache2", "-D", "FOREGROUND", "-f", "/etc/apache2/rig.conf")
    until(lambda: listening(host, 80), lambda: f"apache2 on {host.name}: {host.said()[-800:]}")
