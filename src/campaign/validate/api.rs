//! `[api]`, validated.

use std::time::Duration;

use toml::Spanned;
use url::{Host, Url};

use super::Validator;
use crate::api::{DIALECTS, Dialect, FormDialect, dialect};
use crate::campaign::file::{self, Text};
use crate::campaign::{ApiSettings, SecretKey};

const DEFAULT_TIMEOUT: Duration = Duration::from_secs(30);

impl Validator<'_> {
    pub(super) fn api(&mut self, api: file::ApiTable) -> ApiSettings {
        if api.smtp_account.get_ref().trim().is_empty() {
            self.bad_value(
                api.smtp_account.span(),
                "`smtp_account` is empty",
                "copy it from the panel of your provider; it looks like \"1.acme.smtp\"",
            );
        }
        let dialect = self.dialect(api.dialect.as_ref());
        ApiSettings {
            url: self.url(api.url.as_ref(), dialect),
            dialect,
            smtp_account: api.smtp_account.into_inner(),
            timeout: self.duration(api.timeout.as_ref(), DEFAULT_TIMEOUT),
            app_key_env: api
                .app_key_env
                .map_or_else(|| "EMAILLABS_APP_KEY".to_owned(), Spanned::into_inner),
            secret_key: self.secret_key(api.secret_key_env, api.secret_key_command),
        }
    }

    fn dialect(&mut self, name: Option<&Text>) -> &'static dyn Dialect {
        let default = &FormDialect::Sendmail;
        let Some(name) = name else { return default };
        dialect(name.get_ref()).unwrap_or_else(|| {
            let names = DIALECTS.map(|dialect| format!("\"{}\"", dialect.name()));
            self.bad_value(
                name.span(),
                format!("there is no dialect `{}`", name.get_ref()),
                &format!("use one of {}", names.join(", ")),
            );
            default
        })
    }

    fn secret_key(
        &mut self,
        env: Option<Text>,
        command: Option<Spanned<Vec<String>>>,
    ) -> SecretKey {
        match (env, command) {
            (env, None) => SecretKey::Env(
                env.map_or_else(|| "EMAILLABS_SECRET_KEY".to_owned(), Spanned::into_inner),
            ),
            (env, Some(command)) => {
                if env.is_some() {
                    self.bad_value(
                        command.span(),
                        "both `secret_key_env` and `secret_key_command` are set",
                        "remove one of them",
                    );
                }
                self.secret_command("secret_key_command", command)
            }
        }
    }

    fn url(&mut self, url: Option<&Text>, dialect: &dyn Dialect) -> Url {
        let default = || Url::parse(dialect.default_url()).expect("the default URL is valid");
        let Some(text) = url else { return default() };
        let mut url = match Url::parse(text.get_ref()) {
            Ok(url) => url,
            Err(error) => {
                self.bad_value(
                    text.span(),
                    format!("not a URL: {error}"),
                    "write it with https: in front",
                );
                return default();
            }
        };
        match url.scheme() {
            "https" => {}
            "http" if is_loopback(&url) => {}
            "http" => self.bad_value(
                text.span(),
                "`http:` would send the keys and the recipients in the clear",
                "use https:, or a loopback address",
            ),
            other => self.bad_value(
                text.span(),
                format!("`{other}:` URLs are not supported"),
                "use https:",
            ),
        }
        if !url.username().is_empty() || url.password().is_some() {
            self.bad_value(
                text.span(),
                "keys don't belong in the URL",
                "put them in the environment variables EMAILLABS_APP_KEY and EMAILLABS_SECRET_KEY",
            );
        }
        if !url.path().ends_with('/') {
            url.set_path(&format!("{}/", url.path()));
        }
        url
    }
}

/// Whether a URL's host is this machine, without asking DNS.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost",
        None => false,
    }
}
