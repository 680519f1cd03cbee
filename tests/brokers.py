"""Real brokers for tests: a mosquitto of our own on a free port of the loopback interface."""

import asyncio
import os
import shutil
import socket
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Self

import pytest

needs_mosquitto = pytest.mark.skipif(
    shutil.which("mosquitto") is None and not os.environ.get("CI"),
    reason="mosquitto is not installed",
)
"""Skips where there is no mosquitto; in CI its absence is a failure."""


def free_port() -> int:
    """A TCP port that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


class Mosquitto:
    """One broker; the port and what it persists stay the same over restarts.

    `users` maps names to passwords (empty: anyone may log in); `acl` are lines of an access list.
    `extra` are further lines of mosquitto.conf.
    """

    def __init__(
        self,
        directory: Path,
        *,
        users: dict[str, str] | None = None,
        acl: Sequence[str] | None = None,
        extra: Sequence[str] = (),
        tls: bool = False,
    ) -> None:
        self.directory = directory
        self.host = "127.0.0.1"
        self.port = free_port()
        self._users = users or {}
        self._acl = acl
        self._extra = extra
        self._tls = tls
        self._process: asyncio.subprocess.Process | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Start, and wait until it accepts connections."""
        program = shutil.which("mosquitto")
        if program is None:
            pytest.fail("mosquitto is not installed")
        config = self.directory / "mosquitto.conf"
        config.write_text("\n".join(self._config()) + "\n")
        log = (self.directory / "mosquitto.log").open("ab")
        with log:
            self._process = await asyncio.create_subprocess_exec(
                program, "-c", str(config), stdout=log, stderr=log
            )
        async with asyncio.timeout(10):
            while True:
                try:
                    _, writer = await asyncio.open_connection(self.host, self.port)
                except ConnectionRefusedError:
                    if self._process.returncode is not None:
                        pytest.fail(f"mosquitto ended:\n{self.log()}")
                    await asyncio.sleep(0.01)  # there is no event to wait for: it is a program
                else:
                    writer.close()
                    return

    async def stop(self) -> None:
        """End it in an orderly way; harmless when it is not running."""
        await self._end("terminate")

    async def kill(self) -> None:
        """kill -9."""
        await self._end("kill")

    def log(self) -> str:
        """What it wrote."""
        return (self.directory / "mosquitto.log").read_text()

    async def _end(self, how: str) -> None:
        process, self._process = self._process, None
        if process is not None:
            if process.returncode is None:
                getattr(process, how)()
            await process.wait()

    def _config(self) -> list[str]:
        lines = [
            f"listener {self.port} {self.host}",
            f"allow_anonymous {'false' if self._users else 'true'}",
            "persistence true",
            f"persistence_location {self.directory}/",
            "autosave_interval 1",
            "max_queued_messages 0",
            *self._extra,
        ]
        if os.geteuid() == 0:
            lines.append("user root")
        if self._tls:
            make_certificates(self.directory)
            lines += [
                f"cafile {self.directory}/ca.pem",
                f"certfile {self.directory}/server.pem",
                f"keyfile {self.directory}/server.key",
            ]
        if self._users:
            passwords = self.directory / "passwords"
            passwords.touch(mode=0o600)
            for name, password in self._users.items():
                subprocess.run(
                    ["mosquitto_passwd", "-b", str(passwords), name, password],  # noqa: S607
                    check=True,
                    capture_output=True,
                )
            lines.append(f"password_file {passwords}")
        if self._acl is not None:
            acl = self.directory / "acl"
            acl.touch(mode=0o600)
            acl.write_text("\n".join(self._acl) + "\n")
            lines.append(f"acl_file {acl}")
        return lines


def make_certificates(directory: Path) -> None:
    """ca.pem, server.pem and server.key for 127.0.0.1, signed by that authority."""
    from datetime import UTC, datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    def name(text: str) -> x509.Name:
        return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])

    now = datetime.now(UTC)
    authority_key, server_key = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def builder(subject: str) -> x509.CertificateBuilder:
        return (
            x509.CertificateBuilder()
            .subject_name(name(subject))
            .issuer_name(name("test authority"))
            .serial_number(x509.random_serial_number())
            .not_valid_before(now - timedelta(days=1))
            .not_valid_after(now + timedelta(days=1))
        )

    authority = (
        builder("test authority")
        .public_key(authority_key.public_key())
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(authority_key, hashes.SHA256())
    )
    server = (
        builder("broker")
        .public_key(server_key.public_key())
        .add_extension(
            x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False
        )
        .sign(authority_key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (directory / "ca.pem").write_bytes(authority.public_bytes(pem))
    (directory / "server.pem").write_bytes(server.public_bytes(pem))
    (directory / "server.key").write_bytes(
        server_key.private_bytes(
            pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
    )
