"""A mail server of a test's own: STARTTLS and a login first, and everything that was handed to it kept."""

import email
import email.policy
import ssl
import subprocess
import time

from aiosmtpd.controller import Controller
from aiosmtpd.smtp import AuthResult

USER, PASSWORD = "maru", "correct horse"


class Mailbox:
    """Takes mail on one port, while it is open."""

    def __init__(self, folder, port):
        self.port = port
        self.mails = []
        self.envelopes = []
        self.logins = []
        self.certificate = folder / "cert.pem"
        self.key = folder / "key.pem"
        if not self.certificate.exists():
            subprocess.run(
                ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "1", "-subj", "/CN=localhost",
                 "-keyout", str(self.key), "-out", str(self.certificate)],
                check=True, capture_output=True,
            )
        self.controller = None

    async def handle_DATA(self, server, session, envelope):
        assert session.ssl is not None and session.authenticated
        self.envelopes.append((envelope.mail_from, envelope.rcpt_tos))
        self.mails.append(email.message_from_bytes(envelope.content, policy=email.policy.default))
        return "250 taken"

    def login(self, server, session, envelope, mechanism, data):
        given = (data.login.decode(), data.password.decode())
        self.logins.append((mechanism, session.ssl is not None))
        return AuthResult(success=given == (USER, PASSWORD))

    def open(self):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.certificate, self.key)
        self.controller = Controller(
            self, hostname="127.0.0.1", port=self.port, tls_context=context, require_starttls=True, auth_required=True, authenticator=self.login
        )
        self.controller.start()
        return self

    def close(self):
        if self.controller:
            self.controller.stop()
            self.controller = None

    def wait(self, count, seconds=30):
        """The mails, once there are so many; the deadline only ends a run that would hang."""
        deadline = time.monotonic() + seconds
        while len(self.mails) < count:
            assert time.monotonic() < deadline, f"{len(self.mails)} mails after {seconds} s"
            time.sleep(0.1)
        return self.mails


def texts(mail):
    """The parts of a mail as a reader sees them."""
    return [part.get_content() for part in mail.walk() if not part.is_multipart()]
