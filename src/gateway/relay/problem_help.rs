//! What to do about a server that can't be used.

use crate::smtp::ProblemKind;

/// Names the settings of `gateway.toml`. Empty if nothing is known.
pub(super) fn problem_help(kind: ProblemKind) -> &'static str {
    match kind {
        ProblemKind::Unreachable => "check `relay` in gateway.toml, and that the server is running",
        ProblemKind::Busy | ProblemKind::Refused => {
            "check `relay` in gateway.toml: the host, the port, and smtps: if the port expects TLS from the start"
        }
        ProblemKind::ImplicitTls => "if the port expects STARTTLS, use smtp:",
        ProblemKind::Certificate => {
            "the certificate must be trusted by the system or by SSL_CERT_FILE; otherwise, set `starttls` to \"opportunistic\" to accept any certificate, or to \"never\" to send without TLS"
        }
        ProblemKind::NoStartTls => {
            "enable TLS on the server, use smtps:, or set `starttls` to \"opportunistic\" or \"never\" to send without TLS"
        }
        ProblemKind::StartTlsRefused | ProblemKind::StartTlsFailed => {
            "fix TLS on the server, or set `starttls` to \"opportunistic\" or \"never\" to send without TLS"
        }
        ProblemKind::Login => "check `username_env` and the password in gateway.toml",
        ProblemKind::LoginRequired => {
            "check `starttls`, `username_env` and the password in gateway.toml"
        }
        ProblemKind::Local => "",
    }
}
