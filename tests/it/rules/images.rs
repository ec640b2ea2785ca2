use super::attachments::attaching;
use super::{Case, SITES};
use crate::support::campaign::Campaign;

/// The good campaign with an image in line 6.
fn image(good: Campaign, image: &str) -> Campaign {
    good.html_with("<p>{%", &format!("{image}\n<p>{{%"))
}

fn source(good: Campaign, src: &str) -> Campaign {
    image(
        good,
        &format!("<img src=\"{src}\" alt=\"Autumn\" width=\"600\">"),
    )
}

/// With `cid:` and the row's token, and these pictures for all rows.
fn shown_by_token(good: Campaign, files: &[&str]) -> Campaign {
    let paths: Vec<_> = files.iter().map(|path| (*path, true)).collect();
    let campaign = source(attaching(good, &paths), "cid:{{ token }}.png");
    files
        .iter()
        .fold(campaign, |campaign, path| campaign.file(path, *path))
}

pub(super) const CASES: &[Case] = &[
    Case::new("image-empty", |good| source(good, "")).at("templates/newsletter.html:6:1"),
    Case::new("image-relative", |good| source(good, "images/a.png"))
        .at("templates/newsletter.html:6:1"),
    Case::new("image-relative", |good| source(good, "{{ token }}.png")).rows(&[1, 2, 3]),
    Case::new("image-relative", |good| {
        image(
            good,
            "<div style=\"background: #fff url('images/a.png')\">x</div>",
        )
    })
    .at("templates/newsletter.html:6:30"),
    Case::new("image-relative", |good| {
        good.html_with(
            "</head>",
            "<style>p { background-image: url(a.png) }</style></head>",
        )
    })
    .at("templates/newsletter.html:3:105"),
    Case::new("image-relative", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" srcset=\"https://sender.example/b.png 2x, c.png 3x\" alt=\"\" width=\"600\">",
        )
    }),
    Case::new("image-relative", |good| {
        image(
            good,
            "<!--[if mso]><img src=\"a.png\" alt=\"\" width=\"600\"><![endif]-->",
        )
    })
    .at("templates/newsletter.html:6:14"),
    Case::new("image-local", |good| {
        image(
            good,
            "<!--[if mso]><v:fill type=\"tile\" src=\"http://localhost/a.png\" /><![endif]-->",
        )
    }),
    Case::new("image-local", |good| {
        image(
            good,
            "<!--[if mso]><v:fill type=\"tile\" src=\"{{ site }}/a.png\" /><![endif]-->",
        )
        .recipients(SITES)
    })
    .rows(&[2]),
    Case::new("image-local", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" srcset=\"{{ site }}/a.png 2x\" alt=\"Autumn\" width=\"600\">",
        )
        .recipients(SITES)
    })
    .rows(&[2]),
    Case::new("image-leftover", |good| source(good, "*|IMAGE|*")),
    Case::new("image-broken", |good| source(good, "https://")),
    Case::new("image-local", |good| source(good, "C:\\autumn.png")),
    Case::new("image-private", |good| {
        source(good, "https://10.0.0.7/{{ token }}.png")
    })
    .at("templates/newsletter.html:6:1"),
    Case::new("image-http", |good| {
        source(good, "http://sender.example/a.png")
    })
    .at("templates/newsletter.html:6:1"),
    Case::new("image-http", |good| {
        image(
            good,
            "<table><tr><td background=\"http://sender.example/a.png\">x</td></tr></table>",
        )
    }),
    Case::new("image-data", |good| {
        source(good, "data:image/gif;base64,R0lGODlhAQABAAAAACw=")
    }),
    Case::new("image-alt", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" width=\"600\">",
        )
    })
    .at("templates/newsletter.html:6:1"),
    Case::new("image-width", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" alt=\"Autumn\" style=\"max-width: 100%\">",
        )
    })
    .at("templates/newsletter.html:6:1"),
    Case::new("image-cid-missing", |good| source(good, "cid:autumn.png"))
        .at("templates/newsletter.html:6:1"),
    Case::new("image-cid-missing", |good| {
        source(attaching(good, &[("{{ token }}.png", true)]), "cid:a1.png")
            .file("a1.png", "1")
            .file("b2.png", "2")
            .file("c3.png", "3")
    })
    .rows(&[2, 3]),
    Case::new("image-cid-missing", |good| {
        shown_by_token(good, &["a1.png", "b2.png"])
    })
    .rows(&[3]),
    Case::new("image-cid-missing", |good| {
        shown_by_token(good, &["b2.png", "c3.png"])
    })
    .rows(&[1]),
    Case::new("image-cid-name", |good| {
        source(
            attaching(good, &[("my autumn.png", true)]),
            "cid:my%20autumn.png",
        )
        .file("my autumn.png", "a picture")
    })
    .at("campaign.toml:15:8"),
    Case::new("image-cid-name", |good| {
        source(attaching(good, &[("ż{{ token }}.png", true)]), "cid:ż{{ token }}.png")
            .file("ża1.png", "1")
            .file("żb2.png", "2")
            .file("żc3.png", "3")
    })
    .rows(&[1, 2, 3]),
    Case::new("image-cid-unused", |good| {
        shown_by_token(good, &["b2.png", "c3.png"])
    })
    .at("campaign.toml:15:8")
    .rows(&[1, 3]),
    Case::new("image-cid-unused", |good| {
        attaching(good, &[("autumn.png", true)]).file("autumn.png", "a picture")
    })
    .at("campaign.toml:15:8"),
    Case::new("image-heavy", |good| {
        source(attaching(good, &[("autumn.png", true)]), "cid:autumn.png")
            .file("autumn.png", vec![7; 500_001])
    }),
];

pub(super) const SILENT: &[Case] = &[
    Case::new("image-relative", |good| {
        image(
            good,
            "<div style=\"cursor: url(a.cur); background: url(https://sender.example/a.png)\">x</div>",
        )
    }),
    Case::new("image-relative", |good| {
        image(
            good,
            "<!-- <img src=\"a.png\"> --><!--[if mso]><v:fill type=\"tile\" color=\"#fff\" /><![endif]-->",
        )
    }),
    Case::new("image-empty", |good| {
        source(good, "https://sender.example/{{ token }}.png")
    }),
    Case::new("image-alt", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" width=\"600\" alt=\"\">",
        )
    }),
    Case::new("image-alt", |good| {
        image(
            good,
            "<img src=\"https://sender.example/open?{{ token }}\" width=\"1\" height=\"1\">",
        )
    }),
    Case::new("image-width", |good| {
        image(
            good,
            "<img src=\"https://sender.example/a.png\" alt=\"\" style=\"width: 100%\">",
        )
    }),
    Case::new("image-cid-missing", |good| {
        source(
            attaching(good, &[("my autumn.png", true)]),
            "cid:my%20autumn.png",
        )
        .file("my autumn.png", "a picture")
    }),
    Case::new("image-cid-missing", |good| {
        source(
            attaching(good, &[("{{ token }}.png", true)]),
            "cid:{{ token }}.png",
        )
        .file("a1.png", "1")
        .file("b2.png", "2")
        .file("c3.png", "3")
    }),
    Case::new("image-cid-missing", |good| {
        shown_by_token(good, &["a1.png", "b2.png", "c3.png"])
    }),
    Case::new("image-cid-name", |good| {
        source(
            attaching(good, &[("my-autumn_1.png@x=", true)]),
            "cid:my-autumn_1.png@x=",
        )
        .file("my-autumn_1.png@x=", "a picture")
    }),
    Case::new("image-cid-name", |good| {
        attaching(good, &[("my autumn.png", false)]).file("my autumn.png", "a picture")
    }),
    Case::new("image-cid-unused", |good| {
        source(
            attaching(good, &[("autumn.png", true)]).file("autumn.png", "a picture"),
            "cid:{{ token | replace(from=token, to=\"autumn\") }}.png",
        )
    }),
    Case::new("image-cid-unused", |good| {
        image(
            attaching(good, &[("autumn.png", true)]).file("autumn.png", "a picture"),
            "<div style=\"background-image: url('cid:autumn.png')\">x</div>",
        )
    }),
    Case::new("image-heavy", |good| {
        attaching(good, &[("photos.zip", false)]).file("photos.zip", vec![7; 600_000])
    }),
];
