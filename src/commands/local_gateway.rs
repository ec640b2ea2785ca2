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

use super::api_keys::ApiKeys;
use super::failure::Failure;
use crate::api::Dialect;
use crate::clock::Clock;
use crate::gateway;

/// How long [`LocalGateway::stop`] waits for idle connections.
const STOP: Duration = Duration::from_millis(200);

pub(super) struct LocalGateway {
    pub(super) url: Url,
    pub(super) keys: ApiKeys,
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
        dialect: &dyn Dialect,
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
        let server = tokio::spawn(gateway::serve(listener, setup, async {
            // A sender that was dropped stops it too.
            let _ = stopped.await;
        }));
        let path = dialect.local_path();
        let url = Url::parse(&format!("http://{address}{path}"))
            .map_err(|error| Failure::new("gateway", error.to_string()))?;
        Ok(Self {
            url,
            keys: ApiKeys {
                app_key: app_key.into(),
                secret_key: secret_key.into(),
            },
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
