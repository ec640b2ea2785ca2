//! Mail clients of other languages send by SMTP, and what they sent is kept byte for byte.

use std::path::Path;
use std::process::Command;

use super::smtp::stored;
use crate::support::gateway::Gateway;
use crate::support::run::{APP_KEY, SECRET_KEY};
use crate::support::{client, has_program, real_part};

const LOGIN: &str =
    "[login]\napp_key_env = \"EMAILLABS_APP_KEY\"\nsecret_key_env = \"EMAILLABS_SECRET_KEY\"\n";
/// Where Debian installs the libraries of Node.
const NODE_PATH: &str = "/usr/share/nodejs";
const PHPMAILER: &str = "/usr/share/php/libphp-phpmailer/autoload.php";

/// Asserts that each line of `sent`, the bytes of a message in hexadecimal, was stored for each of these
/// recipients.
#[track_caller]
fn assert_stored(gateway: &Gateway, sent: &str, recipients: &[&str]) {
    let expected = sent
        .lines()
        .flat_map(|line| recipients.iter().map(|to| ((*to).to_owned(), bytes(line))));
    let (expected, stored): (Vec<_>, _) = (expected.collect(), stored(gateway));
    assert_eq!(stored.len(), expected.len());
    for (stored, expected) in stored.iter().zip(&expected) {
        assert_eq!(stored.0, expected.0);
        let same = stored.1.iter().zip(&expected.1).take_while(|(a, b)| a == b);
        let same = same.count();
        let rest = |bytes: &[u8]| bytes[same..].iter().take(100).copied().collect::<Vec<_>>();
        assert!(
            stored.1 == expected.1,
            "after {same} bytes: {}\ninstead of: {}",
            rest(&stored.1).escape_ascii(),
            rest(&expected.1).escape_ascii()
        );
    }
}

fn bytes(hex: &str) -> Vec<u8> {
    let digits: Vec<_> = hex
        .chars()
        .map(|c| c.to_digit(16).expect("a digit") as u8)
        .collect();
    digits
        .chunks(2)
        .map(|pair| pair[0] << 4 | pair[1])
        .collect()
}

/// Dots, 8-bit text, long lines and attachments.
#[test]
fn pythons_smtplib() {
    if !real_part("Python", has_program("python3")) {
        return;
    }
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let script = format!(
        r#"
import smtplib
from email.message import EmailMessage
from email.policy import SMTP

def message(subject, text, html=None, cte=None):
    message = EmailMessage(policy=SMTP)
    message["From"] = "Żółw <news@acme.example>"
    message["To"] = "jan@example.com, Ola Ż <ola@example.com>"
    message["Subject"] = subject
    message.set_content(text, cte=cte)
    if html:
        message.add_alternative(html, subtype="html")
        message.add_attachment(bytes(range(256)) * 40, maintype="application", subtype="octet-stream", filename="ż.bin")
    return message.as_bytes()

with smtplib.SMTP("127.0.0.1", {port}) as smtp:
    smtp.login("{APP_KEY}", "{SECRET_KEY}")
    for sent in [
        message("Zażółć", ".\n..\n.leading dots\n", "<p>" + "ż" * 3000 + "</p>"),
        message("8-bit", "Zażółć gęślą jaźń\n.\n\n", cte="8bit"),
        b"Subject: long\r\n\r\n" + b"x" * 5000 + b"\r\n.\r\n\0\r\n",
    ]:
        smtp.sendmail("bounces@acme.example", ["jan@example.com", "ewa@example.com"], sent, ["BODY=8BITMIME"])
        print(sent.hex())
"#,
        port = gateway.smtp().port()
    );
    let sent = client("python3", &["-"], &script);
    assert_stored(&gateway, &sent, &["jan@example.com", "ewa@example.com"]);
}

/// Both logins, with commands in groups.
#[test]
fn swaks_with_pipelining() {
    if !real_part("swaks", has_program("swaks")) {
        return;
    }
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("message.eml");
    let message = "Subject: swaks\nFrom: a@acme.example\n\n.\n..two\nżółw\n\n";
    std::fs::write(&file, message).expect("a file");
    for auth in ["PLAIN", "LOGIN"] {
        let output = Command::new("swaks")
            .args(["--server", &gateway.smtp().to_string(), "--pipeline"])
            .args([
                "--from",
                "a@acme.example",
                "--to",
                "jan@example.com,ola@example.com",
            ])
            .args([
                "--auth",
                auth,
                "--auth-user",
                APP_KEY,
                "--auth-password",
                SECRET_KEY,
            ])
            .arg("--data")
            .arg(format!("@{}", file.display()))
            .output()
            .expect("it starts");
        assert!(output.status.success(), "{output:?}");
    }
    // swaks ends the message with another line.
    let expected = message.replace('\n', "\r\n");
    let stored = stored(&gateway);
    assert_eq!(stored.len(), 4);
    for (_, bytes) in stored {
        let text = String::from_utf8(bytes).expect("UTF-8");
        assert_eq!(text.trim_end(), expected.trim_end());
    }
}

#[test]
fn curl_uploads_a_file() {
    if !real_part("curl", has_program("curl")) {
        return;
    }
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("message.eml");
    let message = b"Subject: curl\r\n\r\n.\r\n.a\r\n\xff\xc5\xbc\r\n";
    std::fs::write(&file, message).expect("a file");
    let output = Command::new("curl")
        .args(["-sS", "--url", &format!("smtp://{}", gateway.smtp())])
        .args(["--user", &format!("{APP_KEY}:{SECRET_KEY}")])
        .args([
            "--mail-from",
            "a@acme.example",
            "--mail-rcpt",
            "jan@example.com",
        ])
        .arg("--upload-file")
        .arg(&file)
        .output()
        .expect("it starts");
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        stored(&gateway),
        [("jan@example.com".to_owned(), message.to_vec())]
    );
}

/// Over one connection of its pool, with an HTML part and an attachment.
#[test]
fn nodes_nodemailer() {
    let installed = Path::new(NODE_PATH).join("nodemailer").exists();
    if !real_part("Node's nodemailer", has_program("node") && installed) {
        return;
    }
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let script = format!(
        r#"
const nodemailer = require("{NODE_PATH}/nodemailer");
const MailComposer = require("{NODE_PATH}/nodemailer/lib/mail-composer");
const transport = nodemailer.createTransport({{
  host: "127.0.0.1", port: {port}, secure: false, ignoreTLS: true, pool: true, maxConnections: 1,
  auth: {{ user: "{APP_KEY}", pass: "{SECRET_KEY}" }},
}});
(async () => {{
  for (const textEncoding of ["quoted-printable", "base64", undefined]) {{
    const raw = await new MailComposer({{
      from: "Żółw <news@acme.example>", to: ["jan@example.com", "Ola Ż <ola@example.com>"],
      subject: "Zażółć", text: ".\n..\n.dots " + "x".repeat(2000), html: "<p>" + "ż".repeat(2000) + "</p>", textEncoding,
      attachments: [{{ filename: "ż.bin", content: Buffer.from(Array.from({{ length: 5000 }}, (_, n) => n % 256)) }}],
    }}).compile().build();
    await transport.sendMail({{ envelope: {{ from: "b@acme.example", to: ["jan@example.com", "ewa@example.com"] }}, raw }});
    // nodemailer sends all line ends as CR LF.
    console.log(Buffer.from(raw.toString("latin1").replace(/\r?\n/g, "\r\n"), "latin1").toString("hex"));
  }}
  transport.close();
}})().catch((error) => {{ console.error(error); process.exit(1); }});
"#,
        port = gateway.smtp().port()
    );
    let sent = client("node", &["-"], &script);
    assert_stored(&gateway, &sent, &["jan@example.com", "ewa@example.com"]);
}

/// With a blind copy, which is a recipient of the envelope only.
#[test]
fn phps_phpmailer() {
    let installed = Path::new(PHPMAILER).exists();
    if !real_part("PHP's PHPMailer", has_program("php") && installed) {
        return;
    }
    let gateway = Gateway::with_smtp(LOGIN, &[]);
    let script = format!(
        r#"<?php
require '{PHPMAILER}';
foreach (['8bit', 'base64', 'quoted-printable'] as $encoding) {{
    $mail = new PHPMailer\PHPMailer\PHPMailer(true);
    $mail->isSMTP();
    [$mail->Host, $mail->Port, $mail->SMTPAutoTLS] = ['127.0.0.1', {port}, false];
    [$mail->SMTPAuth, $mail->Username, $mail->Password] = [true, '{APP_KEY}', '{SECRET_KEY}'];
    [$mail->CharSet, $mail->Encoding] = ['UTF-8', $encoding];
    $mail->setFrom('news@acme.example', 'Żółw');
    $mail->addAddress('jan@example.com', 'Jan');
    $mail->addBCC('ewa@example.com');
    [$mail->Subject, $mail->Body, $mail->AltBody] = ['Zażółć', "<p>żółw\n.\n..\n</p>", ".\n.dot\n"];
    $mail->addStringAttachment(str_repeat("\xff\n.", 1000), 'ż.bin');
    $mail->preSend();
    $sent = $mail->getSentMIMEMessage();
    $mail->postSend();
    // PHPMailer ends the message with another line.
    echo bin2hex("$sent\r\n"), "\n";
}}
"#,
        port = gateway.smtp().port()
    );
    let sent = client("php", &["--"], &script);
    assert_stored(&gateway, &sent, &["jan@example.com", "ewa@example.com"]);
}
