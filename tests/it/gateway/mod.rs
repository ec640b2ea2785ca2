//! `mailrun gateway`: the API, its messages, limits, inbox and store.

mod api;
mod chaos;
mod clients;
mod edge;
mod inbox;
mod inbox_page;
mod kills;
mod limits;
mod messages;
mod shapes;
mod simulation;
mod smtp;
mod smtp_clients;
mod smtp_kills;
mod smtp_limits;
mod smtp_outbox;
mod v2;
mod webhooks;
