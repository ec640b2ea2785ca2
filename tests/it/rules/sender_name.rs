use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("from-name-address", |good| {
        good.set("message.from_name", "help@paypal.com")
    })
    .at("campaign.toml:9:13"),
    Case::new("from-name-address", |good| {
        good.set("message.from_name", "Sender (other.example.com)")
    }),
    Case::new("from-name-address", |good| {
        good.set(
            "message.from_name",
            "{% if token == 'b2' %}Allegro.pl{% else %}Sender{% endif %}",
        )
    })
    .rows(&[2]),
    Case::new("from-name-badge", |good| {
        good.set("message.from_name", "Sender \u{2714}\u{fe0f}")
    }),
    Case::new("from-name-badge", |good| {
        good.set("message.from_name", "\u{2705} {{ first_name }}")
    })
    .rows(&[1, 2, 3]),
    Case::new("from-name-reply", |good| {
        good.set("message.from_name", "Re: Sender")
    }),
    Case::new("from-name-reply", |good| {
        good.set("message.from_name", "Ann (2)")
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("from-name-address", |good| {
        good.set("message.from_name", "news@sender.example")
    }),
    Case::new("from-name-address", |good| {
        good.set("message.from", "news@mail.allegro.pl")
            .set("message.from_name", "Allegro.pl")
    }),
    Case::new("from-name-address", |good| {
        good.set("message.from_name", "Dr. A. Sender @ Acme Inc.")
    }),
    Case::new("from-name-address", |good| good.unset("message.from_name")),
    Case::new("from-name-badge", |good| {
        good.set("message.from_name", "Sender \u{2615} & \u{ae}")
    }),
    Case::new("from-name-reply", |good| {
        good.set("message.from_name", "Regional Sender (PL)")
    }),
];
