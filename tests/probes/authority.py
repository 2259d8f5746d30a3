"""A certificate authority of the tests, and certificates good and bad."""

from __future__ import annotations

import ipaddress
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID


def _name(text: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Authority:
    """Signs with a root and an intermediate, as real ones do. `file` is what trusts it."""

    def __init__(self, folder: Path, name: str = "Test Root") -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self._root_key, self._key = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = self._sign(_name(name), _name(name), self._root_key, self._root_key, -30, 300, [], authority=True)
        self._issuer = _name(f"{name} Intermediate")
        self._middle = self._sign(self._issuer, _name(name), self._key, self._root_key, -30, 300, [], authority=True)
        self.file = str(folder / "ca.pem")
        Path(self.file).write_bytes(root.public_bytes(serialization.Encoding.PEM))
        self._count = 0

    def _sign(
        self,
        subject: x509.Name,
        issuer: x509.Name,
        key: ec.EllipticCurvePrivateKey,
        by: ec.EllipticCurvePrivateKey,
        begins: float,
        ends: float,
        names: list[str],
        authority: bool = False,
    ) -> x509.Certificate:
        now = datetime.now(UTC)
        made = (
            x509.CertificateBuilder()
            .subject_name(subject)
            .issuer_name(issuer)
            .public_key(key.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(now + timedelta(days=begins))
            .not_valid_after(now + timedelta(days=ends))
            .add_extension(x509.BasicConstraints(ca=authority, path_length=None), critical=True)
        )
        if names:
            made = made.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
        return made.sign(by, hashes.SHA256())

    def context(
        self,
        *names: str,
        begins: float = -1,
        ends: float = 90,
        self_signed: bool = False,
        protocols: tuple[str, ...] = (),
    ) -> ssl.SSLContext:
        """A server's context with a certificate for these names, valid from `begins` to `ends` days from now."""
        key = ec.generate_private_key(ec.SECP256R1())
        subject = _name(names[0])
        if self_signed:
            chain = [self._sign(subject, subject, key, key, begins, ends, list(names))]
        else:
            chain = [self._sign(subject, self._issuer, key, self._key, begins, ends, list(names)), self._middle]
        self._count += 1
        file = self.folder / f"server-{self._count}.pem"
        pem = [item.public_bytes(serialization.Encoding.PEM) for item in chain]
        pem.append(
            key.private_bytes(
                serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
            )
        )
        file.write_bytes(b"".join(pem))
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(file)
        if protocols:
            context.set_alpn_protocols(list(protocols))
        return context


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.DNSName(name)
