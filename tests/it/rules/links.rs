use super::{Case, SITES};
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
    // Not at one in a comment, in a branch that no row takes, or with an address that goes on.
    Case::new("link-placeholder", |good| {
        let old = "<!-- <a href=\"#\">Leave</a> -->{# <a href=\"#\">Leave</a> #}{% if token == 'x' %}<a href=\"#\">Go</a>{% endif %}";
        link(good, &format!("{old}\n<a href=\"#\">Leave</a>"))
    })
    .at("templates/newsletter.html:10:1"),
    Case::new("link-http", |good| {
        let blog = "<a href=\"http://sender.example/blog\">Read our blog</a>";
        link(good, &format!("{blog}\n<a href=\"http://sender.example\">See our site</a>"))
    })
    .at("templates/newsletter.html:10:1"),
    // Once a row, however often it stands at that place.
    Case::new("link-placeholder", |good| {
        link(good, "{% for n in [1, 2, 3] %}<a href=\"#\">Offer {{ n }}</a>{% endfor %}")
    })
    .rows(&[1, 2, 3]),
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
    Case::new("link-broken", |good| {
        link(good, "<a href=\"htps://sender.example/\">x</a>")
    }),
    Case::new("link-broken", |good| {
        link(good, "<a href=\"https://https://sender.example/\">x</a>")
    }),
    Case::new("link-text", |good| {
        link(good, "<a href=\"https://sender.example/\">paypal.com/login</a>")
    })
    .at("templates/newsletter.html:9:45"),
    // For Outlook alone.
    Case::new("link-local", |good| {
        let button = "<!--[if mso]><v:roundrect href=\"http://localhost/\" arcsize=\"9%\">Read on</v:roundrect><![endif]-->";
        good.html_with("<p>The Sender team", &format!("{button}\n<p>The Sender team"))
    })
    .at("templates/newsletter.html:9:14"),
    Case::new("link-empty", |good| {
        good.html_with("<p>The Sender team", "<!--[if mso]><a href=\"\">Read on</a><![endif]-->\n<p>The Sender team")
    })
    .at("templates/newsletter.html:9:14"),
    Case::new("link-script", |good| {
        link(good, "<a href=\"javascript:void(0)\">x</a>")
    }),
    Case::new("link-local", |good| {
        link(good, "<a href=\"http://localhost:80/{{ token }}\">x</a>")
    })
    .at("templates/newsletter.html:9:45"),
    Case::new("link-local", |good| {
        link(good, "<a href=\"{{ site }}/{{ token }}\">x</a>").recipients(SITES)
    })
    .rows(&[2]),
    Case::new("link-local", |good| {
        let button = "<!--[if mso]><v:roundrect href=\"{{ site }}/{{ token }}\">Read on</v:roundrect><![endif]-->";
        good.html_with("<p>The Sender team", &format!("{button}\n<p>The Sender team")).recipients(SITES)
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
