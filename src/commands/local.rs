//! The gateway in this process, for `--local`.

use std::net::Ipv4Addr;
use std::path::Path;

use rand::RngExt;
use rand::rngs::StdRng;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use url::Url;

use super::failure::Failure;
use super::keys::Keys;
use crate::clock::Clock;
use crate::gateway;

/// A gateway that serves until [`Local::stop`].
pub(super) struct Local {
    pub(super) url: Url,
    pub(super) keys: Keys,
    stop: oneshot::Sender<()>,
    served: JoinHandle<std::io::Result<()>>,
}

/// Starts a gateway on a free loopback port, with keys of its own.
///
/// # Errors
/// When it can't listen, or the outbox can't be made.
pub(super) async fn start(outbox: &Path, clock: &Clock) -> Result<Local, Failure> {
    let failed = |error: std::io::Error| {
        Failure::new(
            "gateway",
            format!("the local gateway can't be started: {error}"),
        )
    };
    let mut rng: StdRng = rand::make_rng();
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
        .await
        .map_err(failed)?;
    let address = listener.local_addr().map_err(failed)?;
    let (app_key, secret_key) = (key(&mut rng), key(&mut rng));
    let setup = gateway::Setup {
        permits: gateway::relay::Permits::default(),
        login: Some(gateway::Login {
            app_key: app_key.clone(),
            secret_key: secret_key.clone().into(),
        }),
        hosts: Vec::new(),
        limits: gateway::Limits::default(),
        chaos: None,
        keep: gateway::Keep::Outbox(outbox.to_owned()),
        clock: clock.clone(),
        random: Box::new(rng),
    };
    let (stop, stopped) = oneshot::channel();
    let served = tokio::spawn(gateway::serve(listener, setup, async {
        // Dropped or told: both mean the end.
        let _ = stopped.await;
    }));
    let url = Url::parse(&format!("http://{address}/api/"))
        .map_err(|error| Failure::new("gateway", error.to_string()))?;
    Ok(Local {
        url,
        keys: Keys {
            app_key: app_key.into(),
            secret_key: secret_key.into(),
        },
        stop,
        served,
    })
}

fn key(rng: &mut StdRng) -> String {
    format!("{:032x}", rng.random::<u128>())
}

impl Local {
    /// Lets it end. Connections that are idle are not waited for.
    pub(super) async fn stop(self) {
        // It may have ended by itself.
        let _ = self.stop.send(());
        let _ = tokio::time::timeout(std::time::Duration::from_millis(200), self.served).await;
    }
}
