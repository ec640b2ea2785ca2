use super::Case;

pub(super) const CASES: &[Case] = &[
    Case::new("from-freemail", |good| {
        good.set("message.from", "sender@wp.pl")
    })
    .at("campaign.toml:8:8"),
    Case::new("from-freemail", |good| {
        good.set(
            "message.from",
            "{{ token }}@{% if token == 'b2' %}yahoo.co.uk{% else %}sender.example{% endif %}",
        )
    })
    .rows(&[2]),
    Case::new("reply-freemail", |good| {
        good.set("message.reply_to", "sender@gmail.com")
    }),
    Case::new("feedback-id", |good| {
        good.set("message.headers.Feedback-ID", "autumn:sender:")
    }),
    Case::new("feedback-id", |good| {
        good.set("message.headers.Feedback-ID", "{{ first_name }}:abc")
    }),
    Case::new("header-automatic", |good| {
        good.set("message.headers.Auto-Submitted", "auto-replied")
    }),
    Case::new("header-automatic", |good| {
        good.set("message.headers.Precedence", "{{ token }}")
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("from-freemail", |good| {
        good.set("message.from", "news@live.sender.example")
    }),
    Case::new("reply-freemail", |good| {
        good.set("message.reply_to", "hello@sender.example")
    }),
    Case::new("feedback-id", |good| {
        good.set(
            "message.headers.Feedback-ID",
            "autumn:sender:letter:mailrun",
        )
    }),
    Case::new("header-automatic", |good| {
        good.set("message.headers.Precedence", "bulk")
    }),
];
