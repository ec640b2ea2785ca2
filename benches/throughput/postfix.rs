//! Against Python's smtplib, on the same Postfix.

use std::collections::HashSet;
use std::process::Command;
use std::time::{Duration, Instant};

use super::campaigns::Campaign;
use super::process::send;
use crate::support::postfix::Postfix;

const CONNECTIONS: u32 = 16;

/// Sends the messages given in the second argument, in as many threads as the third says, to the port in the first.
const SMTPLIB: &str = "
import smtplib, sys, threading
from email.mime.multipart import MIMEMultipart
from email.mime.text import MIMEText
port, messages, threads = map(int, sys.argv[1:])
html = '<p>' + 'The newsletter of this month has many words. ' * 150 + '</p>'
def run(first):
    with smtplib.SMTP('127.0.0.1', port, local_hostname='client.example.com') as server:
        for number in range(first, messages, threads):
            mail = MIMEMultipart('alternative')
            mail['From'] = 'news@acme.example'
            mail['To'] = f'reader{number}@example.com'
            mail['Subject'] = f'Hello {number}'
            mail.attach(MIMEText(f'Hello {number}' + ' words' * 200))
            mail.attach(MIMEText(html.replace('many', str(number)), 'html'))
            server.send_message(mail)
running = [threading.Thread(target=run, args=(first,)) for first in range(threads)]
for one in running: one.start()
for one in running: one.join()
";

/// Sends this many messages with mailrun, with one connection of smtplib, and with 16 threads of it.
pub(crate) fn against_smtplib(messages: u64) {
    if !Postfix::is_available() {
        println!("skipped: Postfix is missing, or this is not root");
        return;
    }
    let postfix = Postfix::start(None);
    let url = format!("smtp://127.0.0.1:{}", postfix.port);
    let campaign = Campaign::newsletter("http://127.0.0.1:9/api/", messages, CONNECTIONS)
        .recipients_at("example.com")
        .smtp_as(&url, "client.example.com");
    let wait = |expected: u64| {
        while (postfix.count() as u64) < expected {
            std::thread::sleep(Duration::from_millis(200));
        }
    };
    let sent = send(campaign.path());
    let own = messages as f64 / sent.sent.as_secs_f64();
    println!("mailrun, {CONNECTIONS} connections: {own:.0} messages/s");
    wait(messages);
    let recipients: HashSet<_> = postfix.recipients().into_iter().collect();
    assert_eq!(recipients.len() as u64, messages, "each was delivered once");
    for (round, threads) in [(1, 1), (2, 16)] {
        // smtplib is slow: a part is enough.
        let part = (messages / 5).clamp(1, 2_000);
        let began = Instant::now();
        let status = Command::new("python3")
            .args(["-c", SMTPLIB, &postfix.port.to_string()])
            .args([part.to_string(), threads.to_string()])
            .status();
        assert!(status.expect("python3").success());
        let rate = part as f64 / began.elapsed().as_secs_f64();
        println!(
            "smtplib, {threads} threads: {rate:.0} messages/s; mailrun {:.1} times as fast",
            own / rate
        );
        wait(messages + round * part);
    }
}
