use super::Case;
use crate::support::campaign::Campaign;

/// The first recipient's message has two copies, and the others have one.
fn two_copies(good: Campaign, addresses: &str) -> Campaign {
    good.set("api.dialect", "new_sendmail")
        .set("message.cc_name", "Your manager")
        .set(
            "message.cc",
            format!("{{% if token == 'a1' %}}{addresses}{{% else %}}mo@one.example{{% endif %}}"),
        )
}

pub(super) const CASES: &[Case] = &[Case::new("copy-name", |good| {
    two_copies(good, "mo@one.example; Max <max@one.example>")
})
.rows(&[1])];

pub(super) const SILENT: &[Case] = &[
    Case::new("copy-name", |good| {
        two_copies(good, "Mo <mo@one.example>; Max <max@one.example>")
    }),
    Case::new("copy-name", |good| {
        two_copies(good, "MO@one.example; mo@one.example")
    }),
];
