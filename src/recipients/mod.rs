//! Reading recipients.
