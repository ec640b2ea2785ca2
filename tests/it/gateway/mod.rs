//! `mailrun gateway`: the API, the messages that it makes, its limits, its inbox, and its store.

mod api;
mod chaos;
mod clients;
mod edge;
mod inbox;
mod inbox_page;
mod kills;
mod messages;
mod shapes;
