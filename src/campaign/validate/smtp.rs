//! `[smtp]`, validated.

use std::time::Duration;

use toml::Spanned;

use super::Validator;
use crate::address::Address;
use crate::campaign::{DkimSettings, SecretKey, SmtpSettings, file};
use crate::smtp::{Security, ServerConfig, ServerUrl, StartTls, is_hello_name};

/// RFC 5321 4.5.3.2 asks for five minutes for most replies.
const DEFAULT_TIMEOUT: Duration = Duration::from_secs(300);
const DEFAULT_MESSAGES: u32 = 100;
const MAX_MESSAGES: u32 = 1_000_000;
/// The environment variable with the password.
const PASSWORD: &str = "MAILRUN_SMTP_PASSWORD";

impl Validator<'_> {
    pub(super) fn smtp(&mut self, smtp: file::SmtpTable) -> SmtpSettings {
        let url = ServerUrl::parse(smtp.url.get_ref()).unwrap_or_else(|error| {
            self.bad_value(smtp.url.span(), error.message, error.help);
            ServerUrl::default()
        });
        if url.has_password {
            self.bad_value(
                smtp.url.span(),
                "the URL contains a password",
                "remove it, and set MAILRUN_SMTP_PASSWORD in the environment, or `password_command`",
            );
        }
        let security = self.security(&url, smtp.tls.as_ref());
        if let Some(hello) = &smtp.hello {
            let name = hello.get_ref();
            if !is_hello_name(name) {
                self.bad_value(
                    hello.span(),
                    format!("“{name}” is not a host name"),
                    "write this machine's name, such as \"mail.acme.example\"",
                );
            }
        }
        let password = match smtp.password_command {
            Some(command) => {
                if url.username.is_none() {
                    self.bad_value(
                        command.span(),
                        "there is a password but no user name",
                        "write the user name in `url`: \"smtps://user@host\", with %40 for an @",
                    );
                }
                self.secret_command("password_command", command)
            }
            None => SecretKey::Env(PASSWORD.to_owned()),
        };
        SmtpSettings {
            server: ServerConfig {
                port: url.port.unwrap_or(if url.implicit_tls { 465 } else { 587 }),
                host: url.host,
                security,
                hello: smtp.hello.map(Spanned::into_inner),
                timeout: self.duration(smtp.timeout.as_ref(), DEFAULT_TIMEOUT),
            },
            username: url.username,
            password,
            dkim: smtp.dkim.map(|dkim| self.dkim(dkim)),
            messages_per_connection: self.number(
                smtp.messages_per_connection.as_ref(),
                DEFAULT_MESSAGES,
                MAX_MESSAGES,
            ),
        }
    }

    fn dkim(&mut self, dkim: file::DkimTable) -> DkimSettings {
        let domain = Address::parse(&format!("a@{}", dkim.domain.get_ref()));
        if domain.is_err() {
            self.bad_value(
                dkim.domain.span(),
                format!("“{}” is not a domain", dkim.domain.get_ref()),
                "write the domain of `from`, such as \"acme.example\"",
            );
        }
        let selector = dkim.selector.get_ref().clone();
        self.dkim_selectors(vec![dkim.selector]);
        DkimSettings {
            domain: domain.map_or_else(
                |_| String::new(),
                |address| address.ascii_domain().to_owned(),
            ),
            selector,
            key: dkim.key,
        }
    }

    fn security(&mut self, url: &ServerUrl, tls: Option<&file::Text>) -> Security {
        let Some(tls) = tls else {
            return if url.implicit_tls {
                Security::ImplicitTls
            } else {
                Security::StartTls(StartTls::Required)
            };
        };
        if tls.get_ref() != "none" {
            let help = "use smtps: for TLS from the start, or smtp: for STARTTLS, which is required; remove `tls`";
            self.bad_value(
                tls.span(),
                format!("`tls` can't be \"{}\"", tls.get_ref()),
                help,
            );
        } else if url.implicit_tls {
            self.bad_value(tls.span(), "smtps: is TLS", "remove `tls`, or use smtp:");
        } else if !url.is_loopback() {
            self.bad_value(
                tls.span(),
                "messages and the password would be sent in the clear",
                "remove `tls`; only a server on this machine can be used without TLS",
            );
        }
        Security::StartTls(StartTls::Never)
    }
}
