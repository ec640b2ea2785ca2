//! The built-in mail API server.
