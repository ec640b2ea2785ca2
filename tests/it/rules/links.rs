use super::Case;
use crate::support::campaign::Campaign;

/// The good campaign with another link in place of the second one, in line 9.
fn link(good: Campaign, link: &str) -> Campaign {
    let from = "<a href=\"https://sender.example/u/{{ token }}\">Unsubscribe</a>";
    good.html_with(from, link)
}

pub(super) const CASES: &[Case] = &[
    Case::new("link-empty", |good| link(good, "<a href=\"\">Leave</a>"))
        .at("templates/newsletter.html:9:45"),
    Case::new("link-empty", |good| {
        good.html_with(
            "https://sender.example/u/{{ token }}",
            "{% if first_name != 'Bob' %}https://sender.example/{% endif %}",
        )
    })
    .rows(&[2]),
    Case::new("link-placeholder", |good| {
        link(good, "<a href=\"#\">Leave</a>")
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-relative", |good| {
        link(good, "<a href=\"/leave\">Leave</a>")
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-relative", |good| {
        link(good, "<a href=\"{{ token }}\">Leave</a>")
    })
    .rows(&[1, 2, 3]),
    Case::new("link-leftover", |good| {
        link(good, "<a href=\"https://sender.example/*|UNSUB|*\">x</a>")
    }),
    Case::new("link-leftover", |good| {
        good.recipients(
            "email,first_name,token\nann@one.example,Ann,a1\nbob@two.example,Bob,{{token}}\n",
        )
    })
    .rows(&[2]),
    Case::new("link-broken", |good| {
        link(good, "<a href=\"https:/sender.example/\">x</a>")
    }),
    Case::new("link-script", |good| {
        link(good, "<a href=\"javascript:void(0)\">x</a>")
    }),
    Case::new("link-local", |good| {
        link(good, "<a href=\"http://localhost:80/{{ token }}\">x</a>")
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-local", |good| {
        link(good, "<a href=\"{{ site }}/{{ token }}\">x</a>").recipients(
            "email,first_name,token,site\nann@one.example,Ann,a1,https://one.example\n\
             bob@two.example,Bob,b2,http://127.0.0.1:3000\n",
        )
    })
    .rows(&[2]),
    Case::new("link-private", |good| {
        link(good, "<a href=\"https://wiki/\">x</a>")
    }),
    Case::new("link-http", |good| {
        link(good, "<a href=\"http://sender.example/{{ token }}\">x</a>")
    })
    .at("templates/newsletter.html:9:45")
    .rows(&[1, 2, 3]),
    Case::new("link-text", |good| {
        link(
            good,
            "<a href=\"https://track.example/{{ token }}\">https://sender.example</a>",
        )
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-mailto", |good| {
        link(good, "<a href=\"mailto:hello\">x</a>")
    }),
    Case::new("link-mailto", |good| {
        link(good, "<a href=\"mailto:{{ token }}\">x</a>")
    })
    .rows(&[1, 2, 3]),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("link-empty", |good| link(good, "<a name=\"end\">x</a>")),
    Case::new("link-placeholder", |good| {
        link(good, "<a href=\"#end\" id=\"end\">x</a>")
    }),
    Case::new("link-relative", |good| {
        link(good, "<a href=\"tel:+48123456789\">x</a>")
    }),
    Case::new("link-leftover", |good| {
        link(
            good,
            "<a href=\"https://sender.example/{literal}/*/100%25\">x</a>",
        )
    }),
    Case::new("link-broken", |good| {
        link(
            good,
            "<a href=\"https://zażółć.example/a b?q={{ first_name }}&amp;n=1#x\">x</a>",
        )
    }),
    Case::new("link-private", |good| {
        link(good, "<a href=\"https://local.sender.example/\">x</a>")
    }),
    Case::new("link-text", |good| {
        link(
            good,
            "<a href=\"https://links.sender.example/1\">www.sender.example</a>",
        )
    }),
    Case::new("link-text", |good| {
        link(
            good,
            "<a href=\"https://other.example/1\">Node.js and sender.example</a>",
        )
    }),
    Case::new("link-mailto", |good| {
        link(
            good,
            "<a href=\"mailto:hello@sender.example?subject=Leave {{ token }}\">x</a>",
        )
    }),
    Case::new("link-mailto", |good| {
        link(good, "<a href=\"mailto:?body=Look\">Pass it on</a>")
    }),
];
