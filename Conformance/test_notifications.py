"""Mail about approvals, as a mail server gets it: one for each change, over TLS with a login, late rather than never."""

import sqlite3
import time

import pytest

from mailbox import PASSWORD, USER, Mailbox, texts
from stack import free_ports
from toolserver import ToolServer

RECIPIENTS = "one@example.org,two@example.org"


@pytest.fixture
def post(tmp_path):
    """Makes a mailbox, not yet open, and a tool server that writes to it."""
    made = []

    def make(name):
        folder = tmp_path / name
        folder.mkdir()
        mailbox = Mailbox(folder, free_ports(1)[0])
        server = ToolServer(
            NOTIFICATION_ENABLED="true", SMTP_HOST="127.0.0.1", SMTP_PORT=mailbox.port, SMTP_TLS_VERIFY="false", SMTP_USER=USER,
            SMTP_PASSWORD=PASSWORD, EMAIL_FROM="maru@example.org", EMAIL_TO=RECIPIENTS,
        )
        made.append((mailbox, server))
        return mailbox, server

    yield make
    for mailbox, server in made:
        server.stop()
        mailbox.close()


def ask(server, path="asked.txt", content="text"):
    asked = server.call("write_file", {"path": path, "content": content})
    assert asked.status_code == 403 and asked.json()["approval_required"], asked.text
    return asked.json()["request_id"]


def decide(server, request, verb="approve", reason="fine"):
    with server.client(server.admin_key) as admin:
        assert admin.post(f"/api/approvals/{request}/{verb}", json={"reason": reason}).status_code == 200


def outbox(server):
    with sqlite3.connect(f"file:{server.data}/sqlite/security.db?mode=ro", uri=True) as database:
        return database.execute("SELECT kind, attempts, sent_at, failed_at FROM outbox ORDER BY id").fetchall()


def test_weakness_26_one_mail_for_the_request_and_one_for_the_decision_over_tls_with_a_login(post):
    mailbox, server = post("plain")
    mailbox.open()
    server.start()
    request = ask(server)
    assert ask(server) == request  # asked again, told of once
    first = mailbox.wait(1)[0]
    assert first["Subject"].startswith("[승인 필요] write_file") and first["From"] == "maru@example.org"
    assert request[:8] in texts(first)[0] and "dev_user" in texts(first)[0]
    assert first.get_content_type() == "multipart/alternative" and {part.get_content_type() for part in first.iter_parts()} == {"text/plain", "text/html"}
    decide(server, request, reason="<b>좋습니다</b>")
    second = mailbox.wait(2)[1]
    assert second["Subject"].startswith("[승인됨] write_file") and "좋습니다" in texts(second)[0] and "<b>좋" not in texts(second)[1]
    # Using it is told of to nobody.
    assert server.call("write_file", {"path": "asked.txt", "content": "text"}, approval=request).status_code == 200
    time.sleep(3)
    assert len(mailbox.mails) == 2 and first["Message-ID"] != second["Message-ID"]
    assert mailbox.envelopes == [("maru@example.org", RECIPIENTS.split(","))] * 2
    assert mailbox.logins and all(over_tls for _, over_tls in mailbox.logins)
    assert [row[0] for row in outbox(server)] == ["approval_requested", "approval_approved"] and all(row[2] for row in outbox(server))
    log = server.log.read_text()
    assert PASSWORD not in log and server.metric("mcp-server", "notifications_total", outcome="sent") == 2


def test_no_text_of_a_caller_or_approver_becomes_a_header_or_a_command(post):
    mailbox, server = post("hostile")
    mailbox.open()
    server.start()
    hostile = "x\r\nBcc: evil@example.org\r\nSubject: mine\r\n\r\n.\r\nMAIL FROM:<evil@example.org>\r\n"
    request = ask(server, path="bcc.txt", content=hostile)
    decide(server, request, "reject", reason=hostile)
    mails = mailbox.wait(2)
    assert mailbox.envelopes == [("maru@example.org", RECIPIENTS.split(","))] * 2
    for mail in mails:
        assert mail["Bcc"] is None and len(mail.get_all("Subject")) == 1 and mail["Subject"].startswith("[")
        assert not mail.defects
        # What the call would write is for approvers who have proved who they are. The reason is told, on one line.
        assert "bcc.txt" not in "".join(texts(mail))
    assert not any(line.startswith(("Bcc:", "MAIL FROM")) for line in texts(mails[1])[0].splitlines())
    time.sleep(2)
    assert len(mailbox.mails) == 2


def test_weakness_26_a_mail_waits_for_its_server_also_across_a_restart(post):
    both = [post("later"), post("restarted")]
    for _, server in both:
        server.start()
        ask(server)
    deadline = time.monotonic() + 30
    for _, server in both:
        while not (rows := outbox(server)) or rows[0][1] < 1:
            assert time.monotonic() < deadline, rows
            time.sleep(0.1)
        assert outbox(server)[0][2] is None and outbox(server)[0][3] is None
    both[1][1].kill_hard()
    for mailbox, _ in both:
        mailbox.open()
    both[1][1].start()
    for mailbox, server in both:
        # Tried again with growing pauses, the first of which is less than a minute.
        [mail] = mailbox.wait(1, seconds=120)
        assert mail["Subject"].startswith("[승인 필요]")
        deadline = time.monotonic() + 10
        while outbox(server)[0][2] is None:
            assert time.monotonic() < deadline
            time.sleep(0.1)
