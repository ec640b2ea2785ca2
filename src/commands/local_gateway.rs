//! The gateway in this process, for `--local`.

use std::net::Ipv4Addr;
use std::path::Path;
use std::time::Duration;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::failure::Failure;
use super::secrets::{ApiKeys, Secrets, SmtpSecrets};
use crate::campaign::{ApiSettings, Campaign, SmtpSettings, TransportSettings};
use crate::clock::Clock;
use crate::gateway;
use crate::smtp::{Security, ServerConfig, StartTls};

/// How long [`LocalGateway::stop`] waits for idle connections.
const STOP: Duration = Duration::from_millis(200);

pub(super) struct LocalGateway {
    /// The campaign's way of sending, to this gateway.
    pub(super) transport: TransportSettings,
    pub(super) secrets: Secrets,
    stop: oneshot::Sender<()>,
    server: JoinHandle<std::io::Result<()>>,
}

impl LocalGateway {
    /// Starts a gateway on a free loopback port, with random keys.
    ///
    /// # Errors
    /// If it can't listen or can't create the outbox.
    pub(super) async fn start(
        outbox: &Path,
        campaign: &Campaign,
        clock: &Clock,
    ) -> Result<Self, Failure> {
        let failed = |error: std::io::Error| {
            Failure::new("gateway", format!("can't start the local gateway: {error}"))
        };
        let mut rng: StdRng = rand::make_rng();
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
            .await
            .map_err(failed)?;
        let address = listener.local_addr().map_err(failed)?;
        let [app_key, secret_key] = [(); 2].map(|()| format!("{:032x}", rng.random::<u128>()));
        let setup = gateway::Setup {
            permits: gateway::relay::Permits::default(),
            login: Some(gateway::Login {
                app_key: app_key.clone(),
                secret_key: secret_key.clone().into(),
            }),
            hosts: Vec::new(),
            limits: gateway::ConnectionLimits::default(),
            chaos: None,
            storage: gateway::Storage::Outbox(outbox.to_owned()),
            clock: clock.clone(),
            random: Box::new(rng),
        };
        let (stop, stopped) = oneshot::channel();
        let stopped = async {
            // A sender that was dropped stops it too.
            let _ = stopped.await;
        };
        let (transport, secrets, server) = match &campaign.transport {
            TransportSettings::Api(api) => {
                let path = api.dialect.local_path();
                let url = Url::parse(&format!("http://{address}{path}"))
                    .map_err(|error| Failure::new("gateway", error.to_string()))?;
                let keys = ApiKeys {
                    app_key: app_key.into(),
                    secret_key: secret_key.into(),
                };
                let api = ApiSettings { url, ..api.clone() };
                let server = tokio::spawn(gateway::serve(listener, setup, stopped));
                (TransportSettings::Api(api), Secrets::Api(keys), server)
            }
            TransportSettings::Smtp(smtp) => {
                let smtp = SmtpSettings {
                    server: ServerConfig {
                        host: address.ip().to_string(),
                        port: address.port(),
                        security: Security::StartTls(StartTls::Never),
                        ..smtp.server.clone()
                    },
                    username: Some(app_key),
                    dkim: None,
                    ..smtp.clone()
                };
                let server = tokio::spawn(gateway::serve_smtp(listener, setup, stopped));
                let secrets = SmtpSecrets {
                    password: Some(secret_key.into()),
                    dkim: None,
                };
                (
                    TransportSettings::Smtp(smtp),
                    Secrets::Smtp(secrets),
                    server,
                )
            }
        };
        Ok(Self {
            transport,
            secrets,
            stop,
            server,
        })
    }

    pub(super) async fn stop(self) {
        // Fails only if the server has stopped already.
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(STOP, self.server).await;
    }
}
